"""One-line errors about settings: where, which key, what value, what instead.

An origin is what `Config.origins` holds: `default`, `file /x/config.toml`, or the name
of a variable.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import ConfigError

DEFAULT_ORIGIN = "default"
_FILE_PREFIX = "file "
_SHOWN_CHARACTERS = 60


def file_origin(path: str) -> str:
    """Return the origin of what stands in a file."""
    return _FILE_PREFIX + path


def is_file_origin(origin: str) -> bool:
    """Tell whether something came from a file."""
    return origin.startswith(_FILE_PREFIX)


def origin_subject(origin: str) -> str:
    """Return the path or the variable of an origin, for a message."""
    return printable(origin.removeprefix(_FILE_PREFIX))


def nearest(word: str, choices: Collection[str]) -> str | None:
    """Return the choice most like the word, None when none is like it."""
    import difflib  # late: 1 to 2 ms, and only on the way to an error or a warning

    folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), list(folded), n=1)
    return folded[found[0]] if found else None


def suggestion(word: str, choices: Collection[str]) -> str:
    """Return the hint that names the choice most like the word, or all of them."""
    best = nearest(word, choices)
    if best is not None:
        return f"did you mean '{best}'?"
    return f"choose from {', '.join(choices)}"


def quoted(value: object) -> str:
    """Return a value for a message: one line, not long, a string in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if not isinstance(value, str):
        return str(value)
    if len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "…"
    return f"'{printable(value)}'"


def printable(text: str) -> str:
    """Return a path or another text with everything escaped that is no sign."""
    if text.isprintable():
        return text
    text = "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def bad_value(origin: str, key: str, value: object, hint: str) -> ConfigError:
    """Return the error about a value that its key cannot have."""
    where = origin_subject(origin)
    if is_file_origin(origin):
        message = f"'{where}': bad value {quoted(value)} for '{key}'"
    elif origin == DEFAULT_ORIGIN:
        message = f"bad value {quoted(value)} for '{key}'"
    else:
        message = f"'{where}': bad value {quoted(value)}"
    return ConfigError(message, hint=hint)
