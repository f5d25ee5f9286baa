"""The first page of `--help`: what the program is and its commands."""

from __future__ import annotations

from .main import load_command
from .words import BUILT


def overview() -> str:
    """Return the commands with a line each."""
    lines = [
        "llmwrap - local language models in pipelines, cron jobs and terminal chats",
        "",
        "usage: llmwrap [COMMAND] [OPTION...] [OPERAND...]",
        "",
        'A first word that is no command is a question: llmwrap "Hello".',
        "",
        "commands:",
    ]
    for name in sorted(BUILT):
        summary = load_command(name).COMMAND.summary.split(". ")[0].rstrip(".")
        lines.append(f"  {name:<12} {summary}")
    lines += ["", "'llmwrap COMMAND --help' tells the options, 'man llmwrap' all."]
    return "\n".join(lines) + "\n"
