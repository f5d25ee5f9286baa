"""TOML: read to plain values, and values as its literals.

The one door to tomllib, which reads but does not write: for the configuration, and for
what stands at the head of a template. An error is one line that names file and place.
See: TOML 1.0.0, sections String, Inline Table.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigError
from .complaints import printable

_UNITS_S = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_UNITS_BYTES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def literal(value: object) -> str:
    """Return the literal of a text, number, boolean, list or table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{bare_key(k)} = {literal(v)}" for k, v in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item) for item in value)}]"
    return f'"{_escaped(str(value))}"'


def duration(seconds: float) -> str:
    """Return seconds as a setting says them, in the largest unit that is exact."""
    for unit, length in _UNITS_S:
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".")


def size(size_bytes: int) -> str:
    """Return bytes as a setting says them, in the largest unit that is exact."""
    for unit, length in _UNITS_BYTES:
        if size_bytes % length == 0:
            return f"{size_bytes // length}{unit}"
    return str(size_bytes)


def bare_key(name: str) -> str:
    """Return a key, in quotes where TOML wants them."""
    is_bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if is_bare else literal(name)


def _escaped(text: str) -> str:
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    # Everything that a terminal could act on too, bidirectional marks included.
    if char == " " or char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def parse_toml(content: bytes, path: str) -> dict[str, object]:
    """Return the tables of a TOML document; `path` is where it stands, for messages.

    Raises: ConfigError in one line for whatever makes it unusable.
    """
    import tomllib  # late: 3.6 ms, and most users have no file

    shown = printable(path)
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"'{shown}': not UTF-8 in line {line}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(shown, text, str(error)) from error
    except RecursionError as error:
        raise ConfigError(f"'{shown}': broken TOML, nested too deeply") from error
    except ValueError as error:  # int() of more than 4300 digits
        raise ConfigError(f"'{shown}': broken TOML, a number is too long") from error


def _broken(shown: str, text: str, problem: str) -> ConfigError:
    what, _, where = problem.removesuffix(")").rpartition(" (at ")
    if where == "end of document":
        last_line = text.rsplit("\n", 1)[-1]
        where = f"line {text.count(chr(10)) + 1}, column {len(last_line) + 1}"
    return ConfigError(
        f"'{shown}': broken TOML at {where}", hint=what[:1].lower() + what[1:]
    )
