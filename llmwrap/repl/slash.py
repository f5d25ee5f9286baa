"""The /commands of a chat in one table, and how a line is understood. Floor F6."""

from __future__ import annotations

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


def enter(room: Room, line: str) -> Effect:
    """Do what a line says: a command, or a question, which `//` may begin as `/`.

    What goes wrong is an `error` of the effect.
    """
    text = line.strip()
    if not text and not room.attached:
        return Effect()
    try:
        if text.startswith("/") and not text.startswith("//"):
            return _run(room, text)
        return room.ask(text.removeprefix("/") if text.startswith("//") else text)
    except LLMWrapError as error:
        return Effect(error=str(error))


def _run(room: Room, text: str) -> Effect:
    name, _, argument = text[1:].partition(" ")
    name = name.split("\n")[0].lower()
    slash = COMMANDS.get(_ALIASES.get(name, name))
    if slash is None:
        hint = suggestion(f"/{name}", [f"/{known}" for known in COMMANDS])
        if hint.startswith("choose"):
            hint = "/help lists them"
        return Effect(error=f"'/{name}' is no command; {hint}")
    return slash.run(room, argument.strip())
