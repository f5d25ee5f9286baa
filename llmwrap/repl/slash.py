"""The /commands of a chat in one table, and how a line is understood."""

from __future__ import annotations

import re

from ..config.complaints import suggestion
from ..errors import LLMWrapError
from .room import Effect, Room, Slash
from .slash_keeping import KEEPING
from .slash_settings import SETTINGS
from .slash_turns import TURNS


def _help(room: Room, argument: str) -> Effect:
    wanted = argument.removeprefix("/")
    shown = [s for s in COMMANDS.values() if wanted in ("", s.name)]
    if not shown:
        return Effect(error=f"'/{wanted}' is no command; /help lists them")
    width = max(len(_usage(slash)) for slash in shown)
    lines = [f"{_usage(slash):{width}}  {slash.help}" for slash in shown]
    return Effect(says="\n".join(lines))


def _quit(room: Room, argument: str) -> Effect:
    return Effect(is_leaving=True)


def _usage(slash: Slash) -> str:
    return f"/{slash.name} {slash.argument}".rstrip()


_ALL = (
    Slash("help", "[COMMAND]", "show what there is", _help, "commands"),
    *TURNS,
    *SETTINGS,
    *KEEPING,
    Slash("quit", "", "leave; so does Ctrl-D", _quit),
)
COMMANDS = {slash.name: slash for slash in _ALL}
"""All commands by name, in the order of the help."""

_ALIASES = {"exit": "quit", "bye": "quit", "?": "help"}


def is_slashed(text: str) -> bool:
    """Tell whether a text is meant as a command, known or not.

    That is one line with a slash before all else; `// a comment`, a line with a blank
    before the slash and whatever has several lines are questions.
    """
    return text.startswith("/") and not text.startswith("//") and "\n" not in text


def is_question(text: str) -> bool:
    """Tell whether a text is asked, as it is."""
    return bool(text.strip()) and not is_slashed(text)


def known(text: str) -> Slash | None:
    """Return the command that a text is, None for what is none."""
    if not is_slashed(text):
        return None
    name = _name(text)
    return COMMANDS.get(_ALIASES.get(name, name))


def ask(room: Room, text: str) -> Effect:
    """Ask a text as it is, whatever it looks like."""
    if not text.strip() and not room.attached:
        return Effect()
    try:
        return room.ask(text)
    except LLMWrapError as error:
        return Effect(error=str(error))


def enter(room: Room, text: str) -> Effect:
    """Do what was entered: a command, or a question, to which nothing is changed.

    What goes wrong is an `error` of the effect; what was meant as a command and is
    none goes back into the line.
    """
    if not is_slashed(text):
        return ask(room, text)
    if slash := known(text):
        try:
            return slash.run(room, text[1 + len(_name(text)) :].strip())
        except LLMWrapError as error:
            return Effect(error=str(error))
    name = _name(text)
    hint = suggestion(f"/{name}", [f"/{one}" for one in COMMANDS])
    if hint.startswith("choose"):
        hint = "/help lists them, a blank before it asks it"
    return Effect(error=f"'/{name}' is no command; {hint}", fills=text)


def _name(text: str) -> str:
    """Return the word behind the slash."""
    return re.split(r"\s", text[1:], maxsplit=1)[0].lower()
