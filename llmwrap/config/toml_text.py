"""TOML to plain values, with errors of one line that name file and place.

The one door to tomllib: for the configuration, and for what stands at the head of a
template.
"""

from __future__ import annotations

from ..errors import ConfigError
from .complaints import printable


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
