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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"'{name}' is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is too large a number")
    return number
