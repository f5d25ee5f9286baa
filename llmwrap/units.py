"""Durations and sizes as people write them, to numbers and back.

Inside the program a duration is a float of seconds and a size an int of bytes; only
options, configuration and messages use the written forms.
"""

from __future__ import annotations

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "k": 1024,
    "m": 1024**2,
    "g": 1024**3,
}
_LONGEST_S = 100 * 365 * 86400.0
_LARGEST_BYTES = 1 << 60
_LONGEST_NUMBER = 30


def _split(text: str) -> tuple[float, str]:
    stripped = text.strip()
    end = len(stripped)
    while end and not (stripped[end - 1].isdigit() or stripped[end - 1] == "."):
        end -= 1
    number, unit = stripped[:end], stripped[end:].strip()
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"'{text}' does not begin with a number")
    if len(number) > _LONGEST_NUMBER:
        raise ValueError(f"'{text[:_LONGEST_NUMBER]}...' is too long a number")
    return float(number), unit


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `30`, `250ms`, `1.5s`, `2m`, `1h`, `7d`.

    A bare number is seconds. Raises: ValueError for anything else, for a negative
    number, and for more than a hundred years (the operating system's timers end
    before that).
    """
    number, unit = _split(text)
    if unit not in _SECONDS:
        raise ValueError(f"'{text}' is no duration such as 30, 250ms, 1.5s, 2m, 1h, 7d")
    seconds = number * _SECONDS[unit]
    if seconds > _LONGEST_S:
        raise ValueError(f"'{text}' is longer than a hundred years")
    return seconds


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `4096`, `64KiB`, `16 MiB`, `1GB`.

    Units are case-insensitive; K, M and G alone count by 1024. Raises: ValueError.
    """
    number, unit = _split(text)
    factor = _BYTES.get(unit.lower())
    if factor is None:
        raise ValueError(f"'{text}' is no size such as 4096, 64KiB, 16MiB, 1GB")
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
