"""The options of `chat` and `interactive`."""

from __future__ import annotations

from .options import (
    add_cache,
    add_conversation,
    add_question,
    add_sampling,
)
from .parser import Parser, add_backend, add_common


def add_arguments(parser: Parser) -> None:
    """Add the options of a chat."""
    group = parser.add_argument_group("question")
    add_question(group)
    add_sampling(parser)
    add_conversation(parser)
    add_cache(parser)
    add_backend(parser, whole="each turn")
    add_common(parser)
