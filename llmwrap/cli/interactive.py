"""`interactive`: a conversation on the full screen."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .chat_options import add_arguments
from .context import Context
from .parser import Command

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="interactive",
    summary="Chat with a model on the full screen. It scrolls, searches and switches"
    " models by key.",
    operands="[PROMPT...]",
)


def run(args: argparse.Namespace, context: Context) -> int:
    """Chat until somebody leaves; return 0. Raises: UsageError without a terminal."""
    from .chatting import drawing, is_drawn, opened, run_front  # late, as in chat.py

    with context.interruptible():
        if not (context.stdin.is_tty and context.stdout.is_tty):
            raise UsageError(
                "'interactive' needs a terminal", hint="'llmwrap chat' does not"
            )
        with opened(args, context) as chat:
            if not is_drawn(context):
                raise UsageError(
                    "'interactive' draws, and this terminal or [ui] plain forbids it",
                    hint="'llmwrap chat --plain' is for screen readers",
                )
            from ..repl.screen_front import ScreenFront

            with drawing(args, chat, context) as (terminal, history):
                front = ScreenFront(chat.room, terminal, history)
                run_front(front, context, " ".join(args.operands))
    return 0
