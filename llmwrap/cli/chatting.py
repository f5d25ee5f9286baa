"""What `chat` and `interactive` share: a room opened by their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..engine.choice import ConversationChoice
from ..repl.asked import Settings
from ..repl.conversations import begun
from ..repl.mailbox import Mailbox
from ..repl.offers import Offers
from ..repl.room import Room
from ..repl.talk import Talk
from .ask import sampling_of, system_of
from .context import Context
from .session import Session

if TYPE_CHECKING:
    from ..repl.input_history import InputHistory
    from ..repl.ttys import Terminal


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
    session.log = session.log.once()
    mailbox = Mailbox()
    with session.engine(is_one_shot=False) as engine:
        conversations, conversation = begun(
            ConversationChoice(
                name=args.conversation,
                is_continued=args.is_continued,
                is_forbidden=args.no_history,
                is_on_terminal=True,  # or on a pipe: a chat is a conversation
            ),
            session.config.history,
            context.environ,
            session.log,
        )
        settings = Settings(
            system=system_of(args, session),
            sampling=sampling_of(args, session),
            think=args.think,
        )
        talk = Talk(engine, conversations, conversation, settings, mailbox)
        offers = Offers(engine, session.choice(), mailbox)
        talk.default_model = lambda: offers.found.pinned
        room = Room(talk, conversations, offers, session.config, context.environ)
        if conversation.turns():
            has_model = args.model is not None
            room.carry_on(has_model=has_model, has_system=args.system is not None)
        room.shows_thinking = not (args.hide_thinking or args.quiet)
        for name in args.file:
            room.attach_text(name, session.text_of(name))
        for name in args.image:
            room.attach_image_data(name, session.bytes_of(name, is_text=False))
        try:
            yield Opened(room, session, mailbox)
        finally:
            talk.stop()


def is_drawn(context: Context) -> bool:
    """Tell whether there is a terminal that a front may draw on."""
    return context.stdin.is_tty and context.output.is_drawn


@contextmanager
def drawing(
    args: argparse.Namespace, chat: Opened, context: Context
) -> Iterator[tuple[Terminal, InputHistory]]:
    """Open the terminal for a front, which hears meanwhile what is said to people."""
    from ..repl.input_history import InputHistory
    from ..repl.ttys import opened_terminal

    numbers = (context.stdin.number, context.stdout.number)
    has_color = context.output.is_colored
    is_kept = chat.session.config.history.enabled and not args.no_history
    history = InputHistory(context.environ, is_kept=is_kept)

    with opened_terminal(numbers, context.environ, has_color=has_color) as terminal:
        context.output.listener = chat.mailbox.note
        try:
            yield terminal, history
        finally:
            context.output.listener = None


def run_front(front: RunnableFront, context: Context, prompt: str) -> None:
    """Run a front; signals that end or stop the program find it in good order."""
    front.pause = lambda is_group: context.pause(is_group=is_group)
    with (
        context.on_signals(["SIGTERM", "SIGHUP"], front.end_by),
        context.on_signals(["SIGTSTP"], front.stop_by),
        context.on_signals(["SIGCONT"], front.go_on_by),
    ):
        front.run(prompt)


class RunnableFront(Protocol):
    """What is run: a line front, or a full screen."""

    pause: Callable[[bool], object]

    def run(self, first: str) -> None:
        """Chat until somebody leaves."""
        ...

    def end_by(self, signum: int) -> None:
        """Leave because of a signal."""
        ...

    def stop_by(self, signum: int) -> None:
        """Stop until somebody says to go on, because of a signal."""
        ...

    def go_on_by(self, signum: int) -> None:
        """Draw everything anew: a signal says that the process was stopped."""
        ...
