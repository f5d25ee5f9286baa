"""Plain JSON as JavaScript sees it, for what came from Handlebars.

What Handlebars prints and what it takes for empty are JavaScript's rules, and imported
templates give the same text as the original. Pure. See: ECMA-262, Number::toString,
IsLooselyEqual, OrdinaryOwnPropertyKeys; Handlebars 4.7, lib/handlebars/helpers.
"""

from __future__ import annotations

import math

from ..messages import Json
from .contexts import MISSING, Missing

_SAFE = 1 << 53  # whole numbers up to here are exact in a double
_PLAIN_EXPONENTS = range(-6, 21)
_LARGEST_INDEX = (1 << 32) - 1


def text_of(value: Json | Missing) -> str:
    """Return what a value is printed as; nothing for null and what is missing."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Missing):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(text_of(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    return _number(value)


def _number(value: float) -> str:
    if isinstance(value, int) and abs(value) <= _SAFE:
        return str(value)
    try:
        value = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    # Both languages print the shortest digits that mean the same double.
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Return digits with the point behind the first `point` of them."""
    size = len(digits)
    if point - 1 not in _PLAIN_EXPONENTS:
        fraction = f".{digits[1:]}" if size > 1 else ""
        return f"{digits[0]}{fraction}e{point - 1:+d}"
    if point >= size:
        return digits + "0" * (point - size)
    if point > 0:
        return f"{digits[:point]}.{digits[point:]}"
    return f"0.{'0' * -point}{digits}"


def is_empty(value: Json | Missing) -> bool:
    """Tell what `with` takes for empty; `if` takes 0 for it too."""
    if isinstance(value, dict):
        return False
    return not value and not _is_zero(value)


def is_true(value: Json | Missing) -> bool:
    """Tell what `if` takes for true."""
    return not is_empty(value) and not _is_zero(value)


def _is_zero(value: Json | Missing) -> bool:
    return isinstance(value, int | float) and value == 0 and value is not False


def items_of(value: Json | Missing) -> list[Json]:
    """Return what `each` goes through."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    # Keys that are whole numbers come first, in their order.
    indices = sorted((key for key in value if _is_index(key)), key=int)
    others = [key for key in value if not _is_index(key)]
    return [value[key] for key in (*indices, *others)]


def _is_index(key: str) -> bool:
    is_number = key.isascii() and key.isdigit() and len(key) < 11
    return is_number and str(int(key)) == key and int(key) < _LARGEST_INDEX


def part_of(value: Json | Missing, name: str) -> Json | Missing:
    """Return a property of a value."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, str):
        # Counted, and cut, in units of UTF-16.
        units = value.encode("utf-16-le", "surrogatepass")
        if name == "length":
            return len(units) // 2
        if _is_index(name) and int(name) < len(units) // 2:
            unit = units[2 * int(name) : 2 * int(name) + 2]
            return unit.decode("utf-16-le", "replace")
    if isinstance(value, list):
        if name == "length":
            return len(value)
        if _is_index(name) and int(name) < len(value):
            return value[int(name)]
    return MISSING


def is_same(one: Json | Missing, other: Json | Missing) -> bool:
    """Tell whether JavaScript's == holds; of objects, whether they are one."""
    if one is other:
        return True
    if one is None or other is None or MISSING in (one, other):
        return not (one or other) and _is_nothing(one) and _is_nothing(other)
    is_made_of = isinstance(one, list | dict), isinstance(other, list | dict)
    if all(is_made_of):
        return False
    if any(is_made_of):
        one, other = (
            text_of(value) if isinstance(value, list | dict) else value
            for value in (one, other)
        )
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return _as_number(one) == _as_number(other)


def _is_nothing(value: Json | Missing) -> bool:
    return value is None or isinstance(value, Missing)


def _as_number(value: Json | Missing) -> float:
    try:
        return float(value.strip() or 0) if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # only numbers are left
    except (ValueError, OverflowError):
        return math.nan
