"""What one stored answer is made of: head, text, the rest. No I/O.

    1 byte   format, 2
    1 byte   1 if there is nothing to say of the answer beside its text, else 0
    8 bytes  when it was stored, nanoseconds since 1970, little-endian
    8 bytes  when it expires, likewise; all ones for never
    4 bytes  length of the text in bytes, little-endian
    text     UTF-8
    rest     msgpack, see entry.py

Format 1, by the first llmwrap, has no expiry of its own.

Apart from entry.py, so that the fast way of a hit gets the text without msgpack.
"""

from __future__ import annotations

_OLDER, _FORMAT = b"\x01", b"\x02"
_EXPIRY_AT = 10
_LENGTH_BYTES = 4
_HEAD_BYTES = 22
_NEVER = (1 << 64) - 1
_CLOCK_SKEW_NS = 300 * 10**9


class Payload:
    """The parts of a stored answer.

    `expires_ns` None is never. `is_plain` tells whether there is nothing to say of it
    beside its text: it has no reasoning, and no note that it was cut.
    """

    __slots__ = ("expires_ns", "is_plain", "rest", "stored_ns", "text")

    def __init__(
        self,
        stored_ns: int,
        text: bytes,
        rest: bytes,
        *,
        is_plain: bool,
        expires_ns: int | None = None,
    ) -> None:
        self.stored_ns = stored_ns
        self.expires_ns = expires_ns
        self.text = text
        self.rest = rest
        self.is_plain = is_plain

    def packed(self) -> bytes:
        """Return the parts as bytes."""
        expires_ns = _NEVER if self.expires_ns is None else self.expires_ns
        head = (
            _FORMAT,
            bytes((self.is_plain,)),
            self.stored_ns.to_bytes(8, "little"),
            min(expires_ns, _NEVER).to_bytes(8, "little"),
            len(self.text).to_bytes(_LENGTH_BYTES, "little"),
        )
        return b"".join((*head, self.text, self.rest))

    def has_expired(self, now_ns: int) -> bool:
        """Tell whether its own time is over, whoever wants to read it."""
        return self.expires_ns is not None and now_ns >= self.expires_ns

    def is_fresh(self, ttl_ns: int | None, now_ns: int) -> bool:
        """Tell whether it counts for a reader; `ttl_ns` is his, None for ever."""
        return is_fresh(self.stored_ns, self.expires_ns, ttl_ns, now_ns)


def is_fresh(
    stored_ns: int, expires_ns: int | None, ttl_ns: int | None, now_ns: int
) -> bool:
    """Tell whether an answer has not expired and is not older than the reader wants.

    One from the future was stored while a clock was wrong: it counts for no longer
    than a TTL, or it would live for years.
    """
    if expires_ns is not None and now_ns >= expires_ns:
        return False
    if ttl_ns is None:
        return True
    age_ns = now_ns - stored_ns
    return age_ns < ttl_ns and (age_ns >= 0 or -age_ns < max(ttl_ns, _CLOCK_SKEW_NS))


def parse(data: bytes) -> Payload | None:
    """Return the parts of a stored answer, None for another format.

    The text is UTF-8: nothing decodes it on the fast way of a hit.
    """
    expires_ns = None
    if data[:1] == _FORMAT:
        text_at = _HEAD_BYTES
        expiry = int.from_bytes(data[_EXPIRY_AT : _EXPIRY_AT + 8], "little")
        expires_ns = None if expiry == _NEVER else expiry
    elif data[:1] == _OLDER:
        text_at = _EXPIRY_AT + _LENGTH_BYTES
    else:
        return None
    if len(data) < text_at:
        return None
    stored_ns = int.from_bytes(data[2:_EXPIRY_AT], "little")
    end = text_at + int.from_bytes(data[text_at - _LENGTH_BYTES : text_at], "little")
    if end > len(data):
        return None
    text = data[text_at:end]
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    return Payload(
        stored_ns, text, data[end:], is_plain=data[1] == 1, expires_ns=expires_ns
    )
