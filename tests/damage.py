"""Ways in which a file can be damaged, and bombs for whoever decodes it."""

from __future__ import annotations

import gzip
import os
import pickle
import random
from collections.abc import Callable, Mapping

from llmwrap.cache import layout
from llmwrap.cache.payload import Payload, parse
from llmwrap.direct import READS_STDIN, RECORDS
from llmwrap.journal.records import HEADER_BYTES, Record, RecordFormat

from .cacheworld import ANSWER

Damage = Callable[[bytes], bytes]


class _Trap:
    """A pickle that leaves the process with status 42."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (42,)


BOMBS: Mapping[str, bytes] = {
    "msgpack nested arrays": b"\xdc\xff\xff" * 24_000,
    "msgpack deep arrays": b"\x91" * 100_000,
    "msgpack deep maps": b"\x81\xa1k" * 100_000,
    "msgpack huge array": b"\xdd\x7f\xff\xff\xff",
    "msgpack huge map": b"\xdf\x7f\xff\xff\xff",
    "msgpack huge text": b"\xdb\xff\xff\xff\xff",
    "msgpack huge bytes": b"\xc6\xff\xff\xff\xff",
    "msgpack extension": b"\xc9\x00\x00\x00\x04\x05abcd",
    "msgpack time": b"\xc7\x0c\xff" + b"\xff" * 12,
    "msgpack no text": b"\x99" + b"\xa2\xff\xfe" * 9,
    "msgpack odd keys": b"\x99" + b"\x81\x90\x01" * 9,
    "msgpack of other kinds": b"\x99" + b"\xc3\xc0\x01\xcb" * 9,
    "msgpack number": b"\x01",
    "msgpack short list": b"\x93\xa1a\x01\x02",
    "pickle": pickle.dumps(_Trap()),
    "gzip": gzip.compress(bytes(10 << 20)),
    "JSON": b'{"text": ' * 50_000,
}


def _becomes(content: bytes) -> Damage:
    return lambda data: content


def _ends(at: int, content: bytes) -> Damage:
    return lambda data: data[:at] + content


def _middle_zeroed(data: bytes) -> bytes:
    third = min(4096, len(data) // 3)
    return data[:third] + bytes(third) + data[2 * third :]


FILES: Mapping[str, Damage] = {
    "empty": lambda data: b"",
    "cut in its header": lambda data: data[:5],
    "cut early": lambda data: data[: len(data) // 4],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "garbage in front": lambda data: b"\x93garbage\xff" + data,
    "garbage behind": lambda data: data + b"\xff\xfeLW garbage",
    "zeroed page": _middle_zeroed,
    "zeroed tail": lambda data: data[: len(data) // 2] + bytes(len(data) // 2),
    "zeroed": lambda data: bytes(len(data)),
    "doubled": lambda data: data + data,
    "random": lambda data: random.Random(7).randbytes(1 << 16),
    "text": lambda data: b"#!/bin/sh\nrm -rf $HOME\n",
    "large": lambda data: b"\xff\xfeLW" * (1 << 17),
    **{name: _becomes(bomb) for name, bomb in BOMBS.items()},
}
"""What can become of any file."""


def _each_record(kind: RecordFormat, payload: Callable[[Record], bytes]) -> Damage:
    def damage(data: bytes) -> bytes:
        records = [kind.record(one.key, payload(one)) for one in kind.walk(data)]
        assert records
        return data[:HEADER_BYTES] + b"".join(records)

    return damage


def _answers(payload: Callable[[Record], bytes]) -> Damage:
    return _each_record(layout.ANSWERS, payload)


def _payload(content: bytes) -> Damage:
    return _answers(lambda one: content)


def _made(make: Callable[[Payload], bytes]) -> Damage:
    def payload(record: Record) -> bytes:
        parsed = parse(record.payload)
        assert parsed
        return make(parsed)

    return _answers(payload)


def _packed(stored_ns: int, text: bytes, rest: bytes) -> bytes:
    return Payload(stored_ns, text, rest, is_plain=True).packed()


def _answer_with(rest: bytes) -> Damage:
    text = ANSWER.encode()
    return _made(lambda one: _packed(one.stored_ns, text, rest))


def _direct(payload: Callable[[bytes], bytes]) -> Damage:
    # The other record of an invocation says that there is more to its digest.
    return _each_record(
        RECORDS,
        lambda one: one.payload if one.payload == READS_STDIN else payload(one.payload),
    )


ANSWERS: Mapping[str, Damage] = {
    name: _answer_with(bomb) for name, bomb in BOMBS.items()
}
"""Hostile payloads of answers, behind the text, in records that are whole."""

TEXTS: Mapping[str, Damage] = {
    "msgpack": _payload(BOMBS["msgpack deep arrays"]),
    "pickle": _payload(BOMBS["pickle"]),
    "gzip": _payload(BOMBS["gzip"]),
    "no payload": _answers(lambda one: b""),
    "no text": _made(lambda one: _packed(one.stored_ns, b"\xff\xfe\xff", one.rest)),
    "long text": _made(
        lambda one: _packed(one.stored_ns, b"", b"")[:-4] + b"\xff" * 4 + b"wrong"
    ),
    "format": _answers(lambda one: b"\x02" + one.payload[1:]),
    "future": _made(lambda one: _packed((1 << 64) - 1, one.text, one.rest)),
}
"""Hostile payloads of answers, in records that are whole."""

DIRECT: Mapping[str, Damage] = {
    **{name: _direct(_becomes(bomb)) for name, bomb in BOMBS.items()},
    **{f"pointer: {name}": _direct(_ends(49, bomb)) for name, bomb in BOMBS.items()},
    "no payload": _direct(lambda data: b""),
    "kind alone": _direct(lambda data: b"A"),
    "stdin": _direct(lambda data: b"S"),
    "path with a NUL": _direct(lambda data: data[:49] + b"\4\0\0\0/a\0b"),
    "path of a device": _direct(
        lambda data: data[:49] + b"\4\0\0\0/tmp\x09\0\0\0/dev/zero"
    ),
    "huge lengths": _direct(lambda data: data[:33] + b"\xff" * 200),
    "cut": _direct(lambda data: data[:60]),
}
"""Hostile payloads of records of direct mode, in records that are whole."""
