"""What `chat` and `interactive` share: options, and a room opened by them. F7."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..repl.asked import Settings
from ..repl.conversations import Conversations, LooseConversations
from ..repl.mailbox import Mailbox
from ..repl.offers import Offers
from ..repl.room import Room
from ..repl.talk import Talk
from .ask import sampling_of, system_of
from .ask_options import add_cache, add_question, add_sampling
from .context import Context
from .parser import Parser, add_backend, add_common
from .session import Session


def add_arguments(parser: Parser) -> None:
    """Add the options of a chat."""
    group = parser.add_argument_group("conversation")
    add_question(group)
    group.add_argument(
        "--plain",
        action="store_true",
        help="for screen readers: nothing is drawn again or animated, roles are"
        " announced in words",
    )
    add_sampling(parser)
    add_cache(parser)
    add_backend(parser)
    add_common(parser)


class Opened(NamedTuple):
    """A room and the session it belongs to."""

    room: Room
    session: Session
    mailbox: Mailbox


@contextmanager
def opened(args: argparse.Namespace, context: Context) -> Iterator[Opened]:
    """Open a room by the options; leaving it ends what is under way.

    Raises: ConfigError, UsageError and LimitError.
    """
    session = Session.of(args, context, has_deadline=False)
    mailbox = Mailbox()
    with session.engine(is_one_shot=False) as engine:
        conversations: Conversations = LooseConversations()
        settings = Settings(
            system=system_of(args, session),
            sampling=sampling_of(args, session),
            think=args.think,
        )
        talk = Talk(engine, conversations, conversations.new(), settings, mailbox)
        offers = Offers(engine, session.choice(), mailbox)
        room = Room(talk, conversations, offers, session.config, context.environ)
        room.shows_thinking = not (args.hide_thinking or args.quiet)
        for name in args.file:
            room.attach_text(name, session.text_of(name))
        for name in args.image:
            room.attach_image(name)
        try:
            yield Opened(room, session, mailbox)
        finally:
            talk.stop()
