"""JSON that people write, as its standard has it.

Python's json takes NaN and Infinity, and makes an infinity of 1e400; written out again
that is nothing a server would read. Not for what servers say: see transport/framing.py.

See: RFC 8259, section 6.
"""

from __future__ import annotations

import json
import math
from typing import NoReturn

from .messages import Json


def parse_json_text(text: str) -> Json:
    """Return the value of a JSON text. Raises: ValueError, RecursionError."""
    value: Json = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    return value


def told(error: ValueError | RecursionError) -> str:
    """Return why a text is no JSON, and where, in plain words."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8"
    if not isinstance(error, json.JSONDecodeError):
        is_long = "integer string conversion" in str(error)
        return "a number has too many digits" if is_long else str(error)
    problem = f"{error.msg[:1].lower()}{error.msg[1:]}"
    line = f"line {error.lineno}, " if "\n" in error.doc.rstrip() else ""
    return f"{problem} in {line}column {error.colno}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"'{name}' is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is too large a number")
    return number
