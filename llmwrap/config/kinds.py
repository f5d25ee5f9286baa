"""The kinds of values a setting can have: read from TOML or text, checked.

A kind is strict: a bool is no number, "10" is no number in a file (a variable has
only text). What it raises is a ValueError whose text is the hint of the message;
`complaints.py` puts file, key and value before it.
"""

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..messages import Json
from ..units import (
    DURATIONS,
    SIZES,
    parse_duration,
    parse_number,
    parse_size,
    parse_whole,
)
from .addresses import mask_secrets, parse_base_url, parse_proxy
from .complaints import suggestion

BUILT_IN_KINDS = ("ollama", "lmstudio", "openai", "embedded")
"""The kinds of backends that need no other package."""

_NAME_SIGNS = "!#$%&'*+-.^_`|~"
_OUR_HEADERS = ("content-length", "transfer-encoding", "connection", "upgrade")
_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no")
_DEEPEST_TABLE = 16
_DURATION_WANTED = f"a duration such as {DURATIONS} is wanted"
_SIZE_WANTED = f"a size such as {SIZES} is wanted"


class PathBase(NamedTuple):
    """Where a value stands: what relative paths and `~` in it mean.

    An empty `directory` is the working directory, looked up when it is needed.
    """

    directory: str
    environ: Mapping[str, str]

    def resolve(self, path: str) -> str:
        """Return the absolute path; not normalised, as `..` may follow a link.

        Raises: ValueError when there is no working directory to start from.
        """
        expanded = expand_home(path, self.environ)
        if os.path.isabs(expanded):
            return expanded
        try:
            return os.path.join(self.directory or os.getcwd(), expanded)
        except OSError:
            raise ValueError("the working directory is gone") from None


class Kind(NamedTuple):
    """One kind: its name in the manual, how a value of it is read, how text is.

    `from_text` turns the text of a variable into what TOML would hold; `mask` is what
    a message may show of a bad value.
    """

    name: str
    parse: Callable[[object, PathBase], object]
    from_text: Callable[[str], object] = str
    mask: Callable[[str], str] = str


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """Return the path with a leading `~` or `~user` replaced."""
    if not path.startswith("~"):
        return path
    home = environ.get("HOME", "")
    if (path == "~" or path.startswith("~/")) and os.path.isabs(home):
        return home + path[1:]
    return os.path.expanduser(path)


def _boolean(value: object, place: PathBase) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is wanted")
    return value


def _boolean_from_text(text: str) -> object:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else text


def _count(lowest: int, highest: int) -> Kind:
    def parse(value: object, place: PathBase) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest} is wanted")
        return value

    return Kind("number", parse, _count_from_text)


def _count_from_text(text: str) -> object:
    try:
        return parse_whole(text)
    except ValueError:
        return text


def _ratio(value: object, place: PathBase) -> float:
    # A NaN is not in the range either.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= 1
    ):
        raise ValueError("a number from 0 to 1 is wanted")
    return float(value)


def _ratio_from_text(text: str) -> object:
    try:
        return parse_number(text)
    except ValueError:
        return text


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(_DURATION_WANTED)
    try:
        return parse_duration(value if isinstance(value, str) else f"{value:.9f}")
    except (ValueError, OverflowError):
        raise ValueError(_DURATION_WANTED) from None


def _duration(value: object, place: PathBase) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("a time-out is longer than 0")
    return seconds


def _lifetime(value: object, place: PathBase) -> float | None:
    return _seconds(value) or None


def _size(value: object, place: PathBase) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(_SIZE_WANTED)
    try:
        size = parse_size(str(value))
    except (ValueError, OverflowError):
        raise ValueError(_SIZE_WANTED) from None
    if not size:
        raise ValueError("a size is at least 1 byte")
    return size


def _name(value: object, place: PathBase) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("a name is wanted")
    return value.strip()


def _text(value: object, place: PathBase) -> str:
    if not isinstance(value, str):
        raise ValueError("text in quotes is wanted")
    if not _is_utf8(value):
        raise ValueError("text in UTF-8 is wanted")
    return value


def _system(value: object, place: PathBase) -> str:
    text = _text(value, place)
    return f"@{place.resolve(text[1:])}" if text[:1] == "@" and text[1:] else text


def _is_utf8(text: str) -> bool:
    # The bytes of a variable that were not UTF-8 are surrogates here.
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _choice(*choices: str, **aliases: str) -> Kind:
    def parse(value: object, place: PathBase) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        word = aliases.get(word, word)
        if word not in choices:
            raise ValueError(suggestion(word, choices))
        return word

    return Kind("one of " + ", ".join(choices), parse)


def _path(value: object, place: PathBase) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a path is wanted")
    return place.resolve(value)


def _log_output(value: object, place: PathBase) -> str:
    return str(value) if value in ("stderr", "stdout") else _path(value, place)


def _base_url(value: object, place: PathBase) -> str:
    return parse_base_url(value if isinstance(value, str) else "")


def _proxy(value: object, place: PathBase) -> str:
    return parse_proxy(value if isinstance(value, str) else "")


def _backend_kind(value: object, place: PathBase) -> str:
    name = _name(value, place)
    folded = name.lower().replace(" ", "").replace("-", "").replace("_", "")
    return folded if folded in BUILT_IN_KINDS else name


def _variable(value: object, place: PathBase) -> str:
    # Someone may have put the key itself here, so a bad value is not shown.
    if not isinstance(value, str) or not (value.isascii() and value.isidentifier()):
        raise ValueError(
            "the name of a variable that holds the key is wanted, not the key"
        )
    return value


def _names(highest: int) -> Kind:
    def parse(value: object, place: PathBase) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > highest:
            raise ValueError(f"a list of at most {highest} names is wanted")
        return tuple(_name(item, place) for item in value)

    return Kind("list", parse, _json_from_text)


def _name_table(value: object, place: PathBase) -> Mapping[str, str]:
    if not isinstance(value, dict | MappingProxyType):
        raise ValueError("a table of names is wanted")
    return MappingProxyType({key: _name(item, place) for key, item in value.items()})


def _header_name(value: object, place: PathBase) -> str:
    name = value if isinstance(value, str) else ""
    if not is_header_name(name):
        raise ValueError("the name of a header is wanted")
    return name


def is_header_name(name: str) -> bool:
    """Tell whether a header may be called so, and may be set by hand.

    See: RFC 9110 section 5.6.2 (tokens).
    """
    return (
        bool(name)
        and all(c.isascii() and (c.isalnum() or c in _NAME_SIGNS) for c in name)
        and name.lower() not in _OUR_HEADERS
    )


def is_header_value(text: str) -> bool:
    """Tell whether a header may hold a text."""
    return text.isascii() and text.replace("\t", " ").isprintable()


def _user(value: object, place: PathBase) -> str:
    name = value if isinstance(value, str) else ""
    if not name or ":" in name or not name.isprintable() or not _is_utf8(name):
        raise ValueError("a name without a colon is wanted")
    return name


def _sourced_table(is_name: Callable[[str], bool], what: str) -> Kind:
    """Return the kind of a table whose values may be read from elsewhere."""

    def parse(value: object, place: PathBase) -> Mapping[str, object]:
        if not isinstance(value, dict | MappingProxyType):
            raise ValueError("a table is wanted")
        if wrong := [name for name in value if not is_name(name)]:
            raise ValueError(f"'{wrong[0]}' is no name of {what}")
        return MappingProxyType({k: _source(v, place) for k, v in value.items()})

    return Kind(f"table of {what}", parse, _json_from_text, mask=lambda text: "***")


def _source(value: object, place: PathBase) -> object:
    if isinstance(value, str) and is_header_value(value):
        return value
    if isinstance(value, dict) and len(value) == 1:
        if "env" in value:
            return MappingProxyType({"env": _variable(value["env"], place)})
        if "file" in value:
            return MappingProxyType({"file": _path(value["file"], place)})
    raise ValueError('text, { env = "NAME" } or { file = "PATH" } is wanted')


def _json_table(value: object, place: PathBase) -> Mapping[str, Json]:
    if not isinstance(value, dict | MappingProxyType):
        raise ValueError("a table is wanted")
    return MappingProxyType({k: _json(v, _DEEPEST_TABLE) for k, v in value.items()})


def _json(value: object, depth: int) -> Json:
    if not depth:
        raise ValueError(f"no more than {_DEEPEST_TABLE} tables in each other")
    if isinstance(value, list):
        return [_json(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, str) and _is_utf8(value):
        return value
    if isinstance(value, int) or (isinstance(value, float) and value - value == 0):
        return value
    # A date, a null, and what is no number: inf - inf is not 0, as nan - nan.
    raise ValueError("only text, numbers, true, false, lists and tables go here")


def _json_from_text(text: str) -> object:
    import json  # late: 2 ms, for the few variables that hold a list or a table

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('JSON such as ["a", "b"] or {"a": 1} is wanted') from None


BOOLEAN = Kind("boolean", _boolean, _boolean_from_text)
RETRIES = _count(0, 100)
STREAMS = _count(1, 10_000)
BUFFER = _count(1, 1_000_000)
ENTRIES = _count(1, 100_000_000)
RATIO = Kind("ratio", _ratio, _ratio_from_text)
DURATION = Kind("duration", _duration)
LIFETIME = Kind("duration or 0", _lifetime)
SIZE = Kind("size", _size)
NAME = Kind("name", _name)
SYSTEM = Kind("text or @FILE", _system)
PATH = Kind("path", _path)
BASE_URL = Kind("address", _base_url, mask=mask_secrets)
PROXY = Kind("address", _proxy, mask=mask_secrets)
BACKEND_KIND = Kind("kind of backend", _backend_kind)
VARIABLE = Kind("name of a variable", _variable, mask=lambda text: "***")
LOG_LEVEL = _choice(
    "debug", "info", "warning", "error", trace="debug", warn="warning"
)  # the aliases are the levels of the specification's Rust loggers
COMPACT = _choice("ask", "auto", "off")
LOG_FORMAT = _choice("text", "json")
LOG_OUTPUT = Kind("stderr, stdout or a path", _log_output)
FOUR_NAMES = _names(4)
HEADER_NAME = Kind("name of a header", _header_name)
USER = Kind("name", _user)
HEADERS = _sourced_table(is_header_name, "headers")
QUERY = _sourced_table(lambda name: bool(name) and name.isprintable(), "a query")
NAME_TABLE = Kind("table of names", _name_table, _json_from_text)
JSON_TABLE = Kind("table", _json_table, _json_from_text)
