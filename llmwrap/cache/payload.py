"""What one stored answer is made of: head, text, the rest. Floor F3; no I/O.

    1 byte   format, 1
    8 bytes  when it was stored, nanoseconds since 1970, little-endian
    4 bytes  length of the text in bytes, little-endian
    text     UTF-8
    rest     msgpack, see entry.py

Apart from entry.py, so that the fast way of a hit gets the text without msgpack.
"""

from __future__ import annotations

_FORMAT = b"\x01"
_HEAD_BYTES = 13
_CLOCK_SKEW_NS = 300 * 10**9


class Payload:
    """The three parts of a stored answer."""

    __slots__ = ("rest", "stored_ns", "text")

    def __init__(self, stored_ns: int, text: bytes, rest: bytes) -> None:
        self.stored_ns = stored_ns
        self.text = text
        self.rest = rest

    def packed(self) -> bytes:
        """Return the parts as bytes."""
        stored = self.stored_ns.to_bytes(8, "little")
        length = len(self.text).to_bytes(4, "little")
        return b"".join((_FORMAT, stored, length, self.text, self.rest))


def is_fresh(stored_ns: int, ttl_ns: int | None, now_ns: int) -> bool:
    """Tell whether an answer is younger than `ttl_ns`, None being for ever.

    One from the future, stored while a clock was wrong, must not live for years.
    """
    age_ns = now_ns - stored_ns
    return age_ns > -_CLOCK_SKEW_NS and (ttl_ns is None or age_ns < ttl_ns)


def parse(data: bytes) -> Payload | None:
    """Return the parts of a stored answer, None for another format.

    The text is UTF-8: nothing decodes it on the fast way of a hit.
    """
    if data[:1] != _FORMAT or len(data) < _HEAD_BYTES:
        return None
    stored_ns = int.from_bytes(data[1:9], "little")
    end = _HEAD_BYTES + int.from_bytes(data[9:_HEAD_BYTES], "little")
    text = data[_HEAD_BYTES:end]
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    return Payload(stored_ns, text, data[end:]) if end <= len(data) else None
