"""What is asked: the words, the files, and what is piped in."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..prompting.prompt import joined_prompt
from .session import Session


def question(
    words: Sequence[str],
    args: argparse.Namespace,
    session: Session,
    *,
    reads_piped: bool = True,
) -> str:
    """Return words, files and stdin, joined; empty when there is nothing.

    `reads_piped` False leaves stdin alone unless the only word is `-`. Raises:
    UsageError, ConfigError, LimitError.
    """
    files = [
        ("stdin" if name == "-" else name, session.text_of(name)) for name in args.file
    ]
    piped = ""
    if list(words) == ["-"]:
        words = []
        piped = session.text_of("-")
    elif reads_piped and session.reads_stdin and not args.no_stdin:
        piped = session.text_of("-")
    return joined_prompt(words, files, piped)
