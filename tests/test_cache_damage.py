"""Damage to the answers on disk: nothing wrong is served, little is lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from llmwrap.cache import layout
from llmwrap.cache.entry import pack_entry
from llmwrap.cache.fingerprint import Place
from llmwrap.journal.records import HEADER_BYTES

from .cachemade import Warnings, cache_at, entry_of, key_of, text_of

_MASKS = (0x01, 0x10, 0x80, 0xFF)
_FLIPS = 1000 if int(os.environ.get("LLMWRAP_TEST_ROUNDS", "0")) >= 500 else 250
_SEEDS = 4
_TWICE = key_of(1)
_TEXTS = {key_of(0): "zero", _TWICE: "one, new", key_of(2): "two", key_of(3): "three"}
_OLD = "one, old"


@pytest.fixture
def log() -> Warnings:
    return Warnings()


def _stored_at() -> int:
    # Fixed, but for ever fresh: the caches here have no TTL.
    return 10**18


def _fill(path: Path, log: Warnings) -> Path:
    """Store four answers in one shard, one of them twice; return the shard."""
    cache = cache_at(path, log)
    first, second, *others = _TEXTS
    cache.put(first, entry_of(_TEXTS[first], _stored_at()))
    cache.put(second, entry_of(_OLD, _stored_at()))
    for key in (others[0], second, others[1]):
        cache.put(key, entry_of(_TEXTS[key], _stored_at()))
    return Path(layout.shard_path(str(path), first))


def _served(path: Path, log: Warnings) -> dict[bytes, str]:
    """Return what the cache serves; everything has to be right."""
    cache = cache_at(path, log)
    served = {key: text for key in _TEXTS if (text := text_of(cache, key)) is not None}
    assert served.items() <= _TEXTS.items()
    return served


def _mend(path: Path, log: Warnings, served: dict[bytes, str]) -> None:
    """Store one of those that are lost, as the next run does, and look again."""
    lost = next((key for key in _TEXTS if key not in served), _TWICE)
    cache = cache_at(path, log)
    cache.put(lost, entry_of(_TEXTS[lost], _stored_at()))
    assert _served(path, log) == {**served, lost: _TEXTS[lost]}


def _whole_records(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return start, end and key of the live records."""
    return [
        (one.start, one.start + layout.ANSWERS.record_bytes(one.payload), one.key)
        for one in layout.ANSWERS.walk(data)
    ]


@pytest.mark.untraced
@pytest.mark.parametrize("mask", _MASKS, ids=hex)
def test_a_flipped_byte_costs_the_record_it_is_in_and_no_other(
    tmp_path: Path, log: Warnings, mask: int
) -> None:
    shard = _fill(tmp_path, log)
    whole = shard.read_bytes()
    records = _whole_records(whole)

    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= mask
        shard.write_bytes(damaged)
        served = _served(tmp_path, log)
        hit = {key for start, end, key in records if start <= at < end}
        assert _TEXTS.keys() - served.keys() == hit, at
        _mend(tmp_path, log, served)

    assert not log.records


def test_a_cut_costs_the_records_behind_it_and_no_other(
    tmp_path: Path, log: Warnings
) -> None:
    shard = _fill(tmp_path, log)
    whole = shard.read_bytes()
    records = _whole_records(whole)

    for length in range(len(whole)):
        shard.write_bytes(whole[:length])
        served = _served(tmp_path, log)
        assert served.keys() == {key for _, end, key in records if end <= length}
        _mend(tmp_path, log, served)

    assert not log.records


def test_a_writer_killed_before_the_old_record_was_dead_leaves_one_answer(
    tmp_path: Path, log: Warnings
) -> None:
    """Both records of the key look alive then. A torn one was never acknowledged."""
    shard = _fill(tmp_path, log)
    whole = bytearray(shard.read_bytes())
    dead = whole.index(b"\xff\xfe\0\0" + _TWICE)
    whole[dead : dead + 4] = b"\xff\xfeLW"
    start, end, _ = next(
        one for one in _whole_records(bytes(whole)) if one[0] > dead + 200
    )
    assert whole[start + 4 : start + 36] == _TWICE

    for length in range(start, end):
        shard.write_bytes(whole[:length])
        cache = cache_at(tmp_path, log)
        assert text_of(cache, _TWICE) == _OLD
        cache.put(key_of(9), entry_of("behind it" * 9, _stored_at()))
        assert text_of(cache, _TWICE) == _OLD
    shard.write_bytes(whole)
    assert text_of(cache_at(tmp_path, log), _TWICE) == _TEXTS[_TWICE]
    for at in range(start + 40, end):
        damaged = bytearray(whole)
        damaged[at] ^= 0x01
        shard.write_bytes(damaged)
        assert text_of(cache_at(tmp_path, log), _TWICE) is None
        cache_at(tmp_path, log).compact()
        assert text_of(cache_at(tmp_path, log), _TWICE) is None


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(_SEEDS))
def test_random_flips_alter_no_answer(tmp_path: Path, log: Warnings, seed: int) -> None:
    texts = {key_of(n, shard=n % 16): f"answer {n} " * (n % 7) for n in range(64)}
    cache = cache_at(tmp_path, log)
    for key, text in texts.items():
        cache.put(key, entry_of(text, _stored_at()))
    shards = sorted((tmp_path / "answers").iterdir())
    chance = random.Random(seed)

    for _ in range(_FLIPS // _SEEDS):
        shard = chance.choice(shards)
        whole = shard.read_bytes()
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 2)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        shard.write_bytes(damaged)
        served = {found.key: found.entry.text for found in cache.entries()}
        looked_up = {key: text_of(cache, key) for key in texts}
        shard.write_bytes(whole)
        assert served.items() <= texts.items()
        assert len(texts) - len(served) <= 2
        assert looked_up == {key: served.get(key) for key in texts}

    assert not log.records


@pytest.mark.parametrize("put_first", [False, True], ids=["compacted", "put"])
def test_what_is_damaged_goes_with_the_next_rewrite(
    tmp_path: Path, log: Warnings, put_first: bool
) -> None:
    shard = _fill(tmp_path, log)
    shard.write_bytes(b"no journal" + shard.read_bytes())
    cache = cache_at(tmp_path, log)
    [damage] = cache.damage()

    if put_first:
        cache.put(_TWICE, entry_of(_TEXTS[_TWICE], _stored_at()))
    else:
        cache.compact()

    assert damage.damaged_bytes > 0
    assert cache.damage() == []
    assert _served(tmp_path, log) == _TEXTS


@pytest.mark.parametrize(
    "thinking",
    [
        pytest.param("LW" + "A" * 65532, id="length"),
        pytest.param("LW" + "\0" * 65532, id="length of nothing"),
    ],
)
def test_no_text_of_a_model_is_taken_for_a_mark(
    tmp_path: Path, log: Warnings, thinking: str
) -> None:
    """MessagePack writes the length of 65534 bytes as ff fe, and LW completes it."""
    before, key, behind = key_of(1), key_of(2), key_of(3)
    entry = entry_of("text", _stored_at())._replace(thinking=thinking)
    cache = cache_at(tmp_path, log)

    cache.put(before, entry_of("before", _stored_at()))
    cache.put(key, entry)  # too long: written anew, the last record of the file
    cache.put(behind, entry_of("behind", _stored_at()))

    assert b"\xff\xfeLW" in pack_entry(entry)
    assert cache.get(key) == entry
    assert [text_of(cache, one) for one in (before, behind)] == ["before", "behind"]
    assert cache.damage() == []


@pytest.mark.parametrize("count", [2**63, 2**64, 10**40, 0xFFFE4C57])
def test_numbers_no_server_should_send_cost_no_answer(
    tmp_path: Path, log: Warnings, count: int
) -> None:
    entry = entry_of("text", _stored_at())
    cache = cache_at(tmp_path, log)

    cache.put(
        key_of(1), entry._replace(usage=entry.usage._replace(prompt_tokens=count))
    )
    cache.put(key_of(2), entry)

    found = cache.get(key_of(1))
    assert found
    assert found.usage.prompt_tokens == (count if count < 2**64 else None)
    assert text_of(cache, key_of(2)) == "text"


def test_a_header_that_claims_a_size_keeps_no_file_from_being_rewritten(
    tmp_path: Path, log: Warnings
) -> None:
    shard = _fill(tmp_path, log)
    whole = bytearray(shard.read_bytes())
    whole[8:HEADER_BYTES] = b"\xff" * 8
    shard.write_bytes(whole)
    cache = cache_at(tmp_path, log)

    for _ in range(40):
        cache.put(_TWICE, entry_of("x" * 10_000, _stored_at()))

    assert shard.stat().st_size < 100_000
    assert text_of(cache, key_of(0)) == "zero"


@pytest.mark.parametrize(("age_s", "stays"), [(60, True), (7200, False)])
def test_what_killed_writers_left_goes_after_an_hour(
    tmp_path: Path, log: Warnings, age_s: int, stays: bool
) -> None:
    shard = _fill(tmp_path, log)
    cache = cache_at(tmp_path, log)
    place = Place("ollama", "http://somewhere")
    cache.learn(cache.generation(place, "model"), "old")
    left = [shard.with_name(".ab.0"), tmp_path / "models" / ".cd.0"]
    moment = time.time() - age_s
    for path in left:
        path.touch()
        os.utime(path, (moment, moment))

    cache.compact()
    cache.learn(cache.generation(place, "model"), "new")

    assert [path.exists() for path in left] == [stays, stays]
    assert _served(tmp_path, log) == _TEXTS
