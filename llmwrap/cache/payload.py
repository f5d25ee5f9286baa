"""What one stored answer is made of: head, text, the rest. Floor F3; no I/O.

    1 byte   format, 1
    1 byte   1 if there is nothing to say of the answer beside its text, else 0
    8 bytes  when it was stored, nanoseconds since 1970, little-endian
    4 bytes  length of the text in bytes, little-endian
    text     UTF-8
    rest     msgpack, see entry.py

Apart from entry.py, so that the fast way of a hit gets the text without msgpack.
"""

from __future__ import annotations

_FORMAT = b"\x01"
_HEAD_BYTES = 14
_CLOCK_SKEW_NS = 300 * 10**9


class Payload:
    """The parts of a stored answer.

    `is_plain` tells whether there is nothing to say of it beside its text: it has no
    reasoning, and no note that it was cut.
    """

    __slots__ = ("is_plain", "rest", "stored_ns", "text")

    def __init__(
        self, stored_ns: int, text: bytes, rest: bytes, *, is_plain: bool
    ) -> None:
        self.stored_ns = stored_ns
        self.text = text
        self.rest = rest
        self.is_plain = is_plain

    def packed(self) -> bytes:
        """Return the parts as bytes."""
        head = _FORMAT + bytes((self.is_plain,)) + self.stored_ns.to_bytes(8, "little")
        length = len(self.text).to_bytes(4, "little")
        return b"".join((head, length, self.text, self.rest))


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
    stored_ns = int.from_bytes(data[2:10], "little")
    end = _HEAD_BYTES + int.from_bytes(data[10:_HEAD_BYTES], "little")
    if end > len(data):
        return None
    text = data[_HEAD_BYTES:end]
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    return Payload(stored_ns, text, data[end:], is_plain=data[1] == 1)
