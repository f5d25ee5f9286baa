"""Numbers, durations and sizes as people write them, to values and back.

Inside the program a duration is a float of seconds and a size an int of bytes; only
options, configuration and messages use the written forms.
"""

from __future__ import annotations

DURATIONS = "30, 250ms, 1.5s, 2m, 1h30m, 7d"
"""Durations as people write them; a bare number is seconds."""

SIZES = "4096, 64KiB, 16MiB, 1GB"
"""Sizes as people write them; a bare number is bytes."""

_SECONDS = {
    "": 1.0,
    "us": 1e-6,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
    "k": 1024,
    "m": 1024**2,
    "g": 1024**3,
    "t": 1024**4,
}
_LONGEST_S = 100 * 365 * 86400.0
_LARGEST_BYTES = 1 << 60
_LONGEST_NUMBER = 30
_LONGEST_WHOLE = 18
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "


def parse_whole(text: str, least: int | None = 0) -> int:
    """Return a whole number of at least `least`, None for one that may be negative.

    Raises: ValueError.
    """
    digits = text.strip()
    bare = digits.removeprefix("-")
    if not (bare.isascii() and bare.isdigit()):
        raise ValueError(f"'{text}' is no whole number such as 0, 42, 1000")
    if len(bare) > _LONGEST_WHOLE:
        raise ValueError(f"'{text[:_LONGEST_NUMBER]}' is too large a number")
    value = int(digits)
    if least is not None and value < least:
        what = "negative" if value < 0 else "too small"
        raise ValueError(f"'{text}' is {what}; a whole number from {least} is wanted")
    return value


def parse_number(text: str) -> float:
    """Return a finite number such as `0.7`, `-1`, `1e-3`. Raises: ValueError."""
    # Python's float takes 1_000, Infinity and digits of other scripts too.
    is_plain = not set(text.strip().lower()) - set("+-.0123456789e")
    try:
        value = float(text if is_plain else "")
    except ValueError:
        raise ValueError(f"'{text}' is no number such as 0.7, 2, 1e-3") from None
    if value - value:  # inf - inf is no number
        raise ValueError(f"'{text[:_LONGEST_NUMBER]}' is too large a number")
    return value


def _parts(text: str) -> list[tuple[float, str]]:
    """Return the numbers of a text, each with the unit behind it; none if it is odd."""
    parts: list[tuple[float, str]] = []
    rest = text.strip()
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip(_LETTERS))]
        rest = rest[len(unit) :]
        if not number.replace(".", "", 1).isdigit() or len(number) > _LONGEST_NUMBER:
            return []
        parts.append((float(number), unit.strip()))
    return parts


def parse_duration(text: str) -> float:
    """Return the seconds of a duration: `30`, `250ms`, `1.5s`, `2m`, `1h30m`, `7d`.

    A bare number is seconds; several parts go from the largest unit to the smallest,
    each with its unit. Raises: ValueError for anything else, for a negative one, and
    for more than a hundred years (the operating system's timers end before that).
    """
    parts = _parts(text)
    lengths = [
        _SECONDS.get(unit, 0.0) if unit or len(parts) == 1 else 0.0 for _, unit in parts
    ]
    if not all(lengths) or not parts or lengths != sorted(set(lengths), reverse=True):
        is_negative = text.strip()[:1] == "-"
        what = "is negative; wanted is a" if is_negative else "is no"
        raise ValueError(f"'{text[:60]}' {what} duration such as {DURATIONS}")
    seconds = sum(n * length for (n, _), length in zip(parts, lengths, strict=True))
    if seconds > _LONGEST_S:
        raise ValueError(f"'{text}' is longer than a hundred years")
    return seconds


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `4096`, `64KiB`, `16 MiB`, `1GB`.

    Units are case-insensitive; K, M and G alone count by 1024. Raises: ValueError.
    """
    parts = _parts(text)
    factor = _BYTES.get(parts[0][1].lower()) if len(parts) == 1 else None
    if factor is None:
        raise ValueError(f"'{text[:60]}' is no size such as {SIZES}")
    number = parts[0][0]
    size = int(number * factor)
    if size > _LARGEST_BYTES:
        raise ValueError(f"'{text}' is larger than any disk")
    return size


def format_duration(seconds: float) -> str:
    """Return a duration for people: `85ms`, `1.5s`, `2m`, `1h30m`, `7d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.3g}s"
    parts = []
    left = round(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def format_size(size_bytes: float) -> str:
    """Return a size for people: `512 B`, `1.5 KiB`, `98.4 MiB`."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB"):
        size_bytes /= 1024
        if size_bytes < 1024:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} GiB"
