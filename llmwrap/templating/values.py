"""The data of a template: plain JSON, of the types the template declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..errors import ConfigError, LimitError, UsageError
from ..jsontext import parse_json_text, told
from ..messages import Json
from .template import Type, Variable

_SHOWN_CHARACTERS = 40
_PLAIN = frozenset({str, int, float, bool, type(None)})
_ARTICLES = {"integer": "an integer", "object": "an object"}


class Assignment(NamedTuple):
    """One `--var`: a name and a text, which is JSON or of the variable's type."""

    name: str
    text: str
    is_json: bool


def parse_assignment(text: str) -> Assignment:
    """Return `K=V` or `K:=JSON` taken apart. Raises: ValueError."""
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":").strip()
    if not equals or not name:
        raise ValueError(f"'{text[:_SHOWN_CHARACTERS]}' is not NAME=VALUE")
    return Assignment(name, value, is_json)


def parse_variables(text: str, where: str) -> dict[str, Json]:
    """Return the variables in a JSON object; `where` says what it is, for messages.

    Raises: ConfigError.
    """
    found = _parsed(text, where)
    if not isinstance(found, dict):
        raise ConfigError(
            f"{where} is no JSON object", hint='{"NAME": VALUE} is wanted'
        )
    return found


def assigned(
    assignments: Iterable[Assignment], declared: Mapping[str, Variable]
) -> dict[str, Json]:
    """Return what `--var` options say.

    Of two for one name the last counts, but each adds to a list. Raises: ConfigError.
    """
    found: dict[str, Json] = {}
    for name, text, is_json in assignments:
        kind = declared[name].type if name in declared else "any"
        if is_json:
            found[name] = _parsed(text, f"the value of '{name}'")
        elif kind == "list" and not text.lstrip().startswith("["):
            before = found.get(name)
            found[name] = [*before, text] if isinstance(before, list) else [text]
        else:
            found[name] = _typed(name, text, kind)
    return found


def plain(data: Mapping[str, object]) -> None:
    """Check that data is plain JSON. Raises: UsageError, LimitError."""
    try:
        for name, value in data.items():
            if type(value) not in _PLAIN:
                _check(value, name)
    except RecursionError:
        raise LimitError("the variables nest too deeply") from None


def check_type(variable: Variable, value: Json, template: str) -> None:
    """Check the type of a variable's value. Raises: ConfigError."""
    if variable.type == "any" or (value is None and not variable.is_required):
        return
    if not _IS[variable.type](value):
        raise ConfigError(
            f"template '{template}': variable '{variable.name}' is {_shown(value)},"
            f" {_article(variable.type)} is wanted"
        )


def _check(value: object, name: str) -> None:
    if type(value) is list:
        for item in value:
            if type(item) not in _PLAIN:
                _check(item, name)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise _no_json(name, key)
            if type(item) not in _PLAIN:
                _check(item, name)
    else:
        raise _no_json(name, value)


def _no_json(name: str, value: object) -> UsageError:
    return UsageError(
        f"variable '{name}' holds a value of type '{type(value).__name__}'",
        hint="str, int, float, bool, None, list and dict are plain JSON",
    )


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: Mapping[Type, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and isinstance(value, int),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
_WORDS: Mapping[str, Json] = {"yes": True, "1": True, "no": False, "0": False}


def _typed(name: str, text: str, kind: Type) -> Json:
    if kind in ("string", "any"):
        return text
    word = text.strip().lower()
    if kind == "boolean" and word in _WORDS:
        return _WORDS[word]
    try:
        value = parse_json_text(word if kind == "boolean" else text)
    except (ValueError, RecursionError):
        value = text
    if not _IS[kind](value):
        raise ConfigError(
            f"the value of '{name}' is {_shown(text)}, {_article(kind)} is wanted"
        )
    return value


def _parsed(text: str, where: str) -> Json:
    try:
        return parse_json_text(text)
    except RecursionError:
        raise LimitError(f"{where} nests too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{where} is no JSON: {told(error)}") from error


def _article(kind: Type) -> str:
    return _ARTICLES.get(kind, f"a {kind}")


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    short = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return f"'{short}'" if isinstance(value, str) else short
