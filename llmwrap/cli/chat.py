"""`chat`: a conversation, line by line."""

from __future__ import annotations

import argparse

from ..errors import SomeFailedError
from . import chat_options
from .context import Context
from .parser import Command, Parser

TYPE_CHECKING = False  # as below
if TYPE_CHECKING:
    from .chatting import Opened

COMMAND = Command(
    name="chat",
    summary="Chat with a model, line by line. On a terminal answers are rendered while"
    " one can go on typing; on pipes a line in is an answer out.",
    operands="[PROMPT...]",
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `chat`."""
    chat_options.add_arguments(parser)
    parser.add_argument(
        "--commands",
        action="store_true",
        help="let /commands be commands in lines of a pipe, too, which are questions"
        " otherwise: whoever writes such a line reads and writes files by them",
    )


def run(args: argparse.Namespace, context: Context) -> int:
    """Chat until somebody leaves; return 0, or 10 through SomeFailedError on a pipe."""
    # Late: whoever asks for help needs none of it.
    from .chatting import drawing, is_drawn, opened, run_front

    with context.interruptible(), opened(args, context) as chat:
        prompt = " ".join(args.operands)
        if is_drawn(context):
            from ..repl.chat_front import ChatFront

            with drawing(args, chat, context) as (terminal, history):
                run_front(ChatFront(chat.room, terminal, history), context, prompt)
            return 0
        return _plain(args, chat, context, prompt)


def _plain(
    args: argparse.Namespace, chat: Opened, context: Context, prompt: str
) -> int:
    from ..repl.plain import PlainChat
    from .console import PlainConsole

    is_terminal = context.stdin.is_tty and context.stdout.is_tty
    console = PlainConsole(
        context,
        is_terminal=is_terminal,
        limit_bytes=chat.session.config.limits.prompt_bytes,
    )
    takes_commands = context.stdin.is_tty or args.commands
    plain = PlainChat(chat.room, console, takes_commands=takes_commands)
    if not is_terminal:
        plain.run(prompt)
        if plain.failures:
            raise SomeFailedError(f"{plain.failures} of {plain.lines} lines failed")
        return 0
    with context.on_signals(["SIGINT"], console.interrupt):
        plain.run(prompt)
    return 0
