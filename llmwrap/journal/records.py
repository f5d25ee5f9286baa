r"""What a journal's bytes are: a header, then records. No I/O.

    header  b"lwjrnl", version, 255 - version, u64 size when it was last rewritten
    record  ff fe 4c 57, key, u32 length, 16 bytes checksum, payload
    dead    the same with ff fe 00 00 in front: a newer record has the key

The checksum (BLAKE2b over key, length and payload, personalised by the journal's
kind) is verified before a payload is looked at. Integers are little-endian; keys of
one kind of journal have one length, which may be 0.

The mark of a record begins with two bytes that UTF-8 never has. Whatever text a model
or a user puts into a payload, it cannot look like a mark and a key, so the last record
of a key is found by searching the bytes from the end, without a walk and without an
index. A mark alone can be there: a text of 65534 bytes has ff fe as its length.

A record that reaches beyond the end of the data is torn: its writer died, nobody was
told that it is kept, the record of the key before it counts. A whole one whose
checksum is wrong was damaged: that key is lost, the one before it does not count.
"""

from __future__ import annotations

import errno

# The C module behind hashlib: hashlib itself loads OpenSSL, which costs 3 ms.
try:
    from _blake2 import blake2b
except ImportError:  # another Python than CPython
    from hashlib import blake2b

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "DEATH",
    "HEADER_BYTES",
    "NewerError",
    "Record",
    "RecordFormat",
    "blake2b",
    "check_version",
    "headed",
    "header",
    "is_headed",
    "is_newer",
    "rewritten_size",
    "whole",
]

VERSION = 1
HEADER_BYTES = 16
LARGEST_PAYLOAD_BYTES = 64 << 20

_MAGIC = b"lwjrnl"
_MARK = b"\xff\xfeLW"
_DEAD = b"\xff\xfe\0\0"
DEATH = (2, b"\0\0")
"""What makes a record dead: these bytes, at this offset from its start."""
_CHECKSUM_BYTES = 16
_AFTER_KEY_BYTES = 4 + _CHECKSUM_BYTES


class NewerError(OSError):
    """Report a file that a newer llmwrap wrote: it is left alone."""


def header(size_bytes: int = HEADER_BYTES) -> bytes:
    """Return the header of a file that is `size_bytes` long when written whole."""
    version = bytes((VERSION, 255 - VERSION))
    return _MAGIC + version + size_bytes.to_bytes(8, "little")


def headed(data: bytes, size_bytes: int) -> bytes:
    """Return what is appended to a file of that size: an empty one has no header."""
    return data if size_bytes else header() + data


def whole(bodies: Sequence[bytes]) -> bytes:
    """Return all bytes of a file with these records."""
    size = HEADER_BYTES + sum(map(len, bodies))
    return b"".join((header(size), *bodies))


def is_headed(data: bytes) -> bool:
    """Tell whether `data` begins with a header of this version."""
    return data[:8] == header()[:8]


def is_newer(data: bytes) -> bool:
    """Tell whether a newer llmwrap wrote `data`: to be left alone, not repaired."""
    if len(data) < 8 or data[:6] != _MAGIC:
        return False
    version, complement = data[6], data[7]
    return version > VERSION and version + complement == 255


def check_version(data: bytes, path: str) -> None:
    """Raise NewerError if a newer llmwrap wrote what begins with `data`."""
    if is_newer(data):
        raise NewerError(errno.EINVAL, "a newer llmwrap wrote it", path)


def rewritten_size(data: bytes) -> int:
    """Return how long the file was when it was last rewritten, as its header says."""
    size = int.from_bytes(data[8:HEADER_BYTES], "little")
    # A wrong one must not keep a file from ever being rewritten.
    return size if HEADER_BYTES <= size <= len(data) else HEADER_BYTES


class Record:
    """A whole record and where it starts in the data."""

    __slots__ = ("key", "payload", "start")

    def __init__(self, start: int, key: bytes, payload: bytes) -> None:
        self.start = start
        self.key = key
        self.payload = payload


class RecordFormat:
    """One kind of journal: its name, 16 bytes at most, and the length of its keys.

    Immutable; any thread may use it.
    """

    def __init__(self, name: str, key_bytes: int = 0) -> None:
        self._person = name.encode()
        self._key_bytes = key_bytes
        self._head_bytes = len(_MARK) + key_bytes + _AFTER_KEY_BYTES

    def record(self, key: bytes, payload: bytes) -> bytes:
        """Return the bytes of a record."""
        length = len(payload).to_bytes(4, "little")
        checksum = self._checksum(key + length, payload)
        return b"".join((_MARK, key, length, checksum, payload))

    def record_bytes(self, payload: bytes) -> int:
        """Return how long the record of a payload is."""
        return self._head_bytes + len(payload)

    def find(self, data: bytes, key: bytes) -> Record | None:
        """Return the last record of a key; None without one, or for a damaged one.

        Nothing is found in what a newer llmwrap wrote.
        """
        if is_newer(data):
            return None
        mark = _MARK + key
        start = data.rfind(mark)
        while start >= 0 and self._end(data, start) > len(data):
            start = data.rfind(mark, 0, start)  # torn: the one before it counts
        return self._record(data, start) if start >= 0 else None

    def walk(self, data: bytes) -> Iterator[Record]:
        """Yield all whole records, in the order they were written.

        What lies between them, dead or damaged, is passed over.
        """
        start = data.find(_MARK)
        while start >= 0:
            record = self._record(data, start)
            if record is None:
                start = data.find(_MARK, start + 1)
            else:
                yield record
                start = data.find(_MARK, self._end(data, start))

    def live(self, data: bytes) -> list[Record]:
        """Return what `find` has for each key, in the order it was written."""
        last: dict[bytes, Record | None] = {}
        start = data.find(_MARK)
        while start >= 0:
            record = self._record(data, start)
            after = self._end(data, start)
            if record or after <= len(data):  # a damaged one counts, a torn one not
                key_at = start + len(_MARK)
                last[data[key_at : key_at + self._key_bytes]] = record
            start = data.find(_MARK, after if record else start + 1)
        found = [record for record in last.values() if record]
        return sorted(found, key=lambda record: record.start)

    def torn_from(self, data: bytes) -> int:
        """Return where a torn tail starts; the length of the data if there is none."""
        start = data.rfind(_MARK)
        if start < 0 or self._end(data, start) <= len(data):
            return len(data)
        # Lengths and numbers in a payload can look like a mark: nothing of a whole
        # record is torn.
        whole_to = 0
        for record in self.walk(data):
            whole_to = self._end(data, record.start)
        start = data.find(_MARK, whole_to)
        while start >= 0 and self._end(data, start) <= len(data):
            start = data.find(_MARK, start + 1)
        return start if start >= 0 else len(data)

    def damaged_bytes(self, data: bytes) -> int:
        """Return how many bytes belong to no record, neither live nor dead."""
        damaged = 0 if is_headed(data) else min(HEADER_BYTES, len(data))
        at = HEADER_BYTES
        while at < len(data):
            if data[at : at + 4] in (_MARK, _DEAD) and self._record(data, at):
                at = self._end(data, at)
                continue
            marks = (data.find(_MARK, at + 1), data.find(_DEAD, at + 1), len(data))
            after = min(place for place in marks if place >= 0)
            damaged += after - at
            at = after
        return damaged

    def _end(self, data: bytes, start: int) -> int:
        at = start + len(_MARK) + self._key_bytes
        length = int.from_bytes(data[at : at + 4], "little")
        return start + self._head_bytes + length

    def _record(self, data: bytes, start: int) -> Record | None:
        end = self._end(data, start)
        if end > len(data) or end - start - self._head_bytes > LARGEST_PAYLOAD_BYTES:
            return None
        key_at = start + len(_MARK)
        length_at = key_at + self._key_bytes
        payload_at = start + self._head_bytes
        payload = data[payload_at:end]
        checksum = data[length_at + 4 : payload_at]
        if self._checksum(data[key_at : length_at + 4], payload) != checksum:
            return None
        return Record(start, data[key_at:length_at], payload)

    def _checksum(self, head: bytes, payload: bytes) -> bytes:
        digest = blake2b(head, digest_size=_CHECKSUM_BYTES, person=self._person)
        digest.update(payload)
        return digest.digest()
