"""/commands about how the next question is asked."""

from __future__ import annotations

import json
import re

from ..errors import UsageError
from ..jsontext import parse_json_text
from ..messages import THINKING_LEVELS, Json
from ..terminal.themes import THEMES
from .mailbox import Event
from .room import Effect, Room, Slash

_THINK: dict[str, bool | str | None] = {
    "on": True,
    "off": False,
    "auto": None,
    **dict(zip(THINKING_LEVELS, THINKING_LEVELS, strict=True)),
}


def _model(room: Room, argument: str) -> Effect:
    if argument:
        room.talk.settings = room.talk.settings._replace(model=argument)
        room.offers.look(argument)
        return Effect(says=f"model {argument}")
    return Effect(then=lambda: Effect(says=_models(room)))


def _models(room: Room) -> str:
    found = room.offers.found
    lines = [f"model {room.talk.settings.model or found.model or 'not chosen yet'}"]
    return "\n".join([*lines, *(f"  {name}" for name in found.names)])


def choose_model(room: Room, number: int, *, looks: bool = True) -> Effect:
    """Ask the model of a number, from 0, from now on.

    `looks`: they are looked up again where none is known.
    """
    names = room.config.ui.models or room.offers.found.names
    if number < len(names):
        return _model(room, names[number])
    if looks and not names:
        return Effect(then=lambda: choose_model(room, number, looks=False))
    return Effect(says=f"there is no model {number + 1}; [ui] models names them")


def _system(room: Room, argument: str) -> Effect:
    settings = room.talk.settings
    if not argument:
        return Effect(says=settings.system or "there is no system prompt")
    text = None if argument == "off" else argument
    if argument.startswith("@"):
        text = room.read_text(argument[1:]).rstrip("\n")
    room.talk.set_system(text)
    return Effect(says="system prompt set" if text else "no system prompt")


def _schema(room: Room, argument: str) -> Effect:
    settings = room.talk.settings
    if not argument:
        schema = settings.schema
        return Effect(says=schema.text if schema else "answers may be any text")
    if argument == "off":
        room.talk.settings = settings._replace(schema=None)
        return Effect(says="answers may be any text again")
    from ..schemas.reading import read_schema  # late: as the templates below

    schema = read_schema(argument, room.read_file)
    room.talk.settings = settings._replace(schema=schema)
    return Effect(says="answers are JSON of that schema")


def _think(room: Room, argument: str) -> Effect:
    settings, word = room.talk.settings, argument.lower()
    if word in ("show", "hide"):
        room.shows_thinking = word == "show"
        return Effect(says="reasoning is shown" if word == "show" else "reasoning hid")
    if word and word not in _THINK:
        return Effect(error=f"/think takes {', '.join(_THINK)}, show and hide")
    if word:
        room.talk.settings = settings._replace(think=_THINK[word])
    names = {True: "on", False: "off", None: "auto"}
    now = room.talk.settings.think
    return Effect(says=f"reasoning {now if isinstance(now, str) else names[now]}")


def _option(room: Room, argument: str) -> Effect:
    settings = room.talk.settings
    options = dict(settings.sampling.options)
    if not argument:
        lines = [f"{name}={json.dumps(value)}" for name, value in options.items()]
        return Effect(says="\n".join(lines) or "no options are set")
    name, equals, text = argument.partition("=")
    name = name.strip()
    if not name:
        raise UsageError(f"'{argument}' is not NAME=VALUE")
    if not equals or not text.strip():
        options.pop(name, None)
        says = f"{name} is left to the server"
    else:
        options[name] = _value(name, text.strip())
        says = f"{name}={json.dumps(options[name])}"
    sampling = settings.sampling._replace(options=options)
    room.talk.settings = settings._replace(sampling=sampling)
    return Effect(says=says)


def _value(name: str, text: str) -> Json:
    try:
        value = parse_json_text(text)
    except (ValueError, RecursionError):
        value = text
    if name == "stop" and not isinstance(value, list):
        return [value if isinstance(value, str) else text]
    return value


def _file(room: Room, argument: str) -> Effect:
    return _attached(room, argument, is_image=False)


def _image(room: Room, argument: str) -> Effect:
    return _attached(room, argument, is_image=True)


def _attached(room: Room, argument: str, *, is_image: bool) -> Effect:
    if argument == "off":
        room.detach()
    elif argument:
        (room.attach_image if is_image else room.attach_file)(room.path(argument))
    names = ", ".join(room.attached) or "nothing"
    return Effect(says=f"with the next question: {names}")


def _theme(room: Room, argument: str) -> Effect:
    if argument not in THEMES:
        return Effect(says=f"themes: {', '.join(THEMES)}")
    return Effect(says=f"theme {argument}", theme=argument)


def _template(room: Room, argument: str) -> Effect:
    """Ask what a template makes: `NAME K=V K:=JSON the input`."""
    if room.talk.is_busy:
        return Effect(error="an answer is under way; Ctrl-C stops it")
    # Late: a chat is ready for its first key sooner.
    from ..prompting.templates import Filled, open_library
    from ..templating.values import assigned, parse_assignment

    library = open_library(room.config, room.environ)
    if not argument:
        return Effect(says="\n".join(library.names()) or "there are no templates")
    name, _, rest = argument.partition(" ")
    words = _WORDS.findall(rest)
    count = next((n for n, word in enumerate(words) if not _is_set(word)), len(words))
    template = library.prepared(name)
    given = [parse_assignment(word.strip()) for word in words[:count]]
    filled = Filled(template, assigned(given, template.declared))
    question = filled.prompt("".join(words[count:]).strip())
    room.talk.mailbox.post(Event("question", question))
    return room.ask(question)


_WORDS = re.compile(r"\s*\S+\s*")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][\w.]*:?=")


def _is_set(word: str) -> bool:
    return _ASSIGNMENT.match(word) is not None


SETTINGS = (
    Slash(
        "template",
        "[NAME K=V… TEXT]",
        "ask what a template makes, or list them",
        _template,
        "templates",
    ),
    Slash("model", "[M]", "ask another model, or list them", _model, "models"),
    Slash("system", "[TEXT|@FILE|off]", "set the system prompt", _system),
    Slash("schema", "[FILE|FIELDS|off]", "have answers be of a schema", _schema),
    Slash("file", "[FILE|off]", "put a text file to the next question", _file, "files"),
    Slash("image", "[FILE|off]", "put an image to the next question", _image, "files"),
    Slash("option", "[K=V|K=]", "set or drop an option of the backend", _option),
    Slash(
        "think",
        "[on|off|auto|LEVEL|show|hide]",
        "ask for reasoning, or show it",
        _think,
    ),
    Slash("theme", "[NAME]", "change the colours", _theme, "themes"),
)
"""The commands of this module."""
