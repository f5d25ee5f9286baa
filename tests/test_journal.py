"""Journals: what a record is, and files of them that many processes share."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from llmwrap.files import BusyError, LockedFile, read
from llmwrap.journal import records
from llmwrap.journal.keyed import KeyedJournal, RememberedJournal
from llmwrap.journal.packing import pack, unpack
from llmwrap.journal.records import HEADER_BYTES, NewerError, Record, RecordFormat
from llmwrap.metrics.layout import append_run

KIND = RecordFormat("test", 4)
PLAIN = RecordFormat("plain")
Key = bytes


def keep_all(found: list[Record], room_bytes: int) -> list[Record]:
    return found


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give the path of a journal that does not exist."""
    return str(tmp_path / "journal")


def journal(
    path: str,
    budget_bytes: int = 1 << 20,
    select: Callable[[list[Record], int], list[Record]] = keep_all,
    made: type[KeyedJournal] = KeyedJournal,
) -> KeyedJournal:
    return made(path, KIND, budget_bytes=budget_bytes, select=select, is_synced=False)


def remembered(path: str) -> KeyedJournal:
    return journal(path, made=RememberedJournal)


def _all_but(key: bytes) -> Callable[[Record], bool]:
    return lambda record: record.key != key


# Records


def test_the_last_record_of_a_key_is_found() -> None:
    data = records.header() + b"".join(
        KIND.record(key, payload)
        for key, payload in [(b"key1", b"old"), (b"key2", b"other"), (b"key1", b"new")]
    )

    found = KIND.find(data, b"key1")

    assert found
    assert found.payload == b"new"
    assert KIND.find(data, b"key3") is None


def test_a_text_cannot_look_like_a_record() -> None:
    """Whatever a model says: the mark has bytes that UTF-8 never has."""
    fake = KIND.record(b"key2", b"poison")

    with pytest.raises(UnicodeDecodeError):
        fake[:4].decode()


def test_a_torn_record_lets_the_one_before_it_count() -> None:
    whole = records.header() + KIND.record(b"key1", b"old")
    torn = (whole + KIND.record(b"key1", b"new"))[:-1]

    found = KIND.find(torn, b"key1")

    assert found
    assert found.payload == b"old"
    assert KIND.torn_from(torn) == len(whole)
    assert KIND.torn_from(whole) == len(whole)


def test_a_damaged_record_hides_the_one_before_it() -> None:
    data = bytearray(records.header() + KIND.record(b"key1", b"old"))
    data += KIND.record(b"key1", b"new")
    data[-1] ^= 1

    assert KIND.find(bytes(data), b"key1") is None


def test_a_record_of_another_kind_is_damage() -> None:
    data = records.header() + KIND.record(b"key1", b"text")

    assert RecordFormat("other", 4).find(data, b"key1") is None
    assert RecordFormat("other", 4).damaged_bytes(data) == len(data) - HEADER_BYTES


def test_a_walk_passes_over_what_is_damaged() -> None:
    good = [PLAIN.record(b"", text) for text in (b"one", b"two", b"three")]
    data = records.header() + good[0] + b"\xff\xfeLW" + good[1][:9] + good[2]

    assert [record.payload for record in PLAIN.walk(data)] == [b"one", b"three"]
    assert PLAIN.damaged_bytes(data) == 4 + 9


def test_a_dead_record_is_no_damage() -> None:
    record = KIND.record(b"key1", b"text")
    offset, mark = records.DEATH
    dead = record[:offset] + mark + record[offset + len(mark) :]
    data = records.header() + dead + KIND.record(b"key2", b"text")

    assert KIND.find(data, b"key1") is None
    assert KIND.damaged_bytes(data) == 0
    assert [record.key for record in KIND.walk(data)] == [b"key2"]


def test_only_a_header_whose_version_is_confirmed_is_newer() -> None:
    newer = b"lwjrnl" + bytes((2, 253))
    flipped = b"lwjrnl" + bytes((3, 254))

    assert records.is_newer(newer)
    assert not records.is_newer(flipped)
    assert not records.is_newer(records.header())


# Files


def test_what_is_put_is_there_for_others(path: str) -> None:
    journal(path).put(b"key1", b"text")

    assert journal(path).find(b"key1") == b"text"
    assert journal(path).find(b"key2") is None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@given(
    some.lists(
        some.tuples(
            some.sampled_from([b"key1", b"key2", b"key3"]),
            some.binary(max_size=20000) | some.just(b"\xff\xfeLWkey1"),
        ),
        max_size=12,
    )
)
def test_a_journal_is_a_table(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, bytes]]
) -> None:
    """Through every rewrite; payloads may even hold marks."""
    path = str(tmp_path_factory.mktemp("journal") / "file")
    model: dict[bytes, bytes] = {}

    for key, payload in steps:
        assert journal(path).put(key, payload)
        model[key] = payload

    found = {record.key: record.payload for record in journal(path).records()}
    assert found == model
    assert {key: journal(path).find(key) for key in model} == model
    assert journal(path).damaged_bytes() == 0


@given(
    some.lists(
        some.tuples(
            some.integers(0, 2),
            some.sampled_from([b"key1", b"key2", b"key3"]),
            some.none() | some.binary(max_size=30) | some.just(bytes(70_000)),
        ),
        max_size=20,
    )
)
def test_who_remembers_a_journal_sees_what_others_do(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, bytes, bytes | None]],
) -> None:
    """Two remember it, one does not; each puts and removes."""
    path = str(tmp_path_factory.mktemp("journal") / "file")
    journals = [remembered(path), remembered(path), journal(path)]
    model: dict[bytes, bytes] = {}

    for who, key, payload in steps:
        if payload is None:
            journals[who].rewrite(_all_but(key))
            model.pop(key, None)
        else:
            assert journals[who].put(key, payload)
            model[key] = payload

        for one in journals:
            assert {r.key: r.payload for r in one.records()} == model
            assert one.find(key) == payload


def test_a_journal_that_is_remembered_is_read_once(path: str) -> None:
    known = remembered(path)
    known.put(b"key1", b"text")

    with open(path, "r+b") as file:
        status = os.fstat(file.fileno())
        file.write(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert journal(path).find(b"key1") is None
    assert known.find(b"key1") == b"text"


def test_a_replaced_record_is_dead_at_once(path: str) -> None:
    """So that damage to the newer one is a miss, never the older answer."""
    journal(path).put(b"key1", b"old")
    journal(path).put(b"key1", b"new")
    data = read(path)

    cut = data[: data.rindex(b"\xff\xfeLW")]

    assert KIND.find(cut, b"key1") is None


def test_a_torn_tail_goes_with_the_next_put(path: str) -> None:
    journal(path).put(b"key1", b"old")
    with open(path, "ab") as file:
        file.write(KIND.record(b"key1", b"new")[:-2])

    journal(path).put(b"key2", b"other")

    assert journal(path).find(b"key1") == b"old"
    assert journal(path).damaged_bytes() == 0


def test_a_file_is_rewritten_when_it_is_twice_as_long(path: str) -> None:
    payload = bytes(10_000)
    sizes = []
    for _ in range(40):
        journal(path).put(b"key1", payload)
        sizes.append(os.path.getsize(path))

    assert max(sizes) < 8 * len(payload)
    assert journal(path).find(b"key1") == payload


def test_a_full_file_keeps_what_select_says(path: str) -> None:
    def newest(found: list[Record], room_bytes: int) -> list[Record]:
        return found[-1:]

    for number in range(3):
        journal(path, 600, newest).put(b"key%d" % number, bytes(200))

    assert [record.key for record in journal(path).records()] == [b"key1", b"key2"]


def test_what_is_larger_than_the_file_may_be_is_not_kept(path: str) -> None:
    assert not journal(path, 500).put(b"key1", bytes(500))
    assert not os.path.exists(path)


def test_a_rewrite_returns_how_many_went(path: str) -> None:
    for number in range(4):
        journal(path).put(b"key%d" % number, b"text")

    assert journal(path).rewrite(lambda record: record.key != b"key1") == 1
    assert journal(path).rewrite(lambda _: False) == 3
    assert journal(path).rewrite() == 0
    assert not os.path.exists(path)


def test_a_file_without_a_header_is_made_anew_with_what_is_whole(path: str) -> None:
    journal(path).put(b"key1", b"text")
    content = read(path)
    Path(path).write_bytes(b"garbage" + content[HEADER_BYTES:])

    journal(path).put(b"key2", b"other")

    assert journal(path).find(b"key1") == b"text"
    assert journal(path).damaged_bytes() == 0


def test_a_newer_file_is_left_alone(path: str) -> None:
    newer = b"lwjrnl" + bytes((2, 253)) + bytes(40)
    Path(path).write_bytes(newer)

    for use in (
        lambda: journal(path).find(b"key1"),
        lambda: journal(path).put(b"key1", b"text"),
        lambda: journal(path).rewrite(),
        lambda: append_run(path, b"text"),
    ):
        with pytest.raises(NewerError):
            use()

    assert Path(path).read_bytes() == newer


def test_a_lock_that_is_held_for_ever_is_given_up(path: str) -> None:
    with (
        LockedFile(path, is_synced=False),
        pytest.raises(BusyError),
        LockedFile(path, is_synced=False, wait_s=0.01),
    ):
        pass

    assert journal(path).put(b"key1", b"text")


def test_a_writer_finds_out_that_its_file_was_replaced(path: str) -> None:
    journal(path).put(b"key1", b"text")
    with LockedFile(path, is_synced=False) as file:
        file.replace(records.whole([KIND.record(b"key2", b"other")]))

        with LockedFile(path, is_synced=False, wait_s=0.1) as newer:
            newer.append(KIND.record(b"key3", b"third"))

    assert [record.key for record in journal(path).records()] == [b"key2", b"key3"]


def test_links_and_other_things_are_not_followed(path: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    os.symlink(precious, path)

    with pytest.raises(OSError, match="symbolic"):
        journal(path).put(b"key1", b"text")
    with pytest.raises(OSError, match="symbolic"):
        read(path)

    assert precious.read_text() == "precious"


def test_nothing_is_read_of_a_file_that_is_too_large(path: str) -> None:
    Path(path).write_bytes(bytes(100))

    with pytest.raises(OSError, match="large"):
        read(path, 99)


def test_temporary_files_of_the_dead_are_swept(path: str, tmp_path: Path) -> None:
    old, young = tmp_path / ".old.tmp", tmp_path / ".young.tmp"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    journal(path).put(b"key1", b"text")

    journal(path).rewrite()

    assert not old.exists()
    assert young.exists()


# Packing


@pytest.mark.slow
@pytest.mark.untraced
@given(
    some.recursive(
        some.none()
        | some.booleans()
        | some.integers(-(2**63), 2**64 - 1)
        | some.floats(allow_nan=False)
        | some.text()
        | some.binary(),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    )
)
def test_what_is_packed_comes_back(value: object) -> None:
    assert unpack(pack(value)) == value  # type: ignore[arg-type]  # it is packable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xdd\x7f\xff\xff\xff",
        b"\xdc\xff\xff" * 24_000,
        b"\xc7\x01\x05\x00",  # an extension type
        b"\xd6\xff\x00\x00\x00\x00",  # a moment
        b"\x81\x01\x02",  # a key that is no text
        b"\xa2\xff\xfe",  # no UTF-8
        b"\x01\x02",  # two values
        b"\x91" * 100_000,
        b"\xdb\x7f\xff\xff\xff",
    ],
)
def test_what_is_no_msgpack_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no msgpack|timestamp|extension"):
        unpack(data)
