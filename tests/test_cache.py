"""The response cache: memory in front of the disk, shared by all, never an error."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llmwrap import Config
from llmwrap.cache import layout
from llmwrap.cache.entry import Entry, pack_entry, unpack_entry
from llmwrap.cache.payload import Payload, is_fresh, parse
from llmwrap.cache.response_cache import Hit, ResponseCache
from llmwrap.cache.store import Store
from llmwrap.config import CacheConfig
from llmwrap.log import Log, LogRecord, Sink
from llmwrap.messages import Usage

from .runner import Home

KEY, OTHER = b"k" * 32, b"o" * 32
HOUR_NS = 3600 * 10**9
ENTRY = Entry(
    stored_ns=0,
    text="An answer.\u2028\x1b",
    thinking="Hm.",
    asked_model="alpha",
    model="alpha:latest",
    backend="desk",
    kind="ollama",
    digest="sha256:1",
    finish_reason="stop",
    usage=Usage(3, 5),
)


def fresh(text: str = "An answer.", age_ns: int = 0) -> Entry:
    return ENTRY._replace(text=text, stored_ns=time.time_ns() - age_ns)


@pytest.fixture
def config(home: Home) -> CacheConfig:
    """Give the default configuration, without waiting for the disk."""
    return Config.load(os.devnull, home.environ).cache._replace(sync=False)


class Said:
    """A log that keeps what was said."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.log = Log(Sink(0, self.records.append))

    @property
    def warnings(self) -> list[str]:
        return [one.message for one in self.records if one.level == "warning"]


@pytest.fixture
def said() -> Said:
    """Give a log."""
    return Said()


@pytest.fixture
def cache(config: CacheConfig, said: Said) -> ResponseCache:
    """Give a cache as a process that asks once has it."""
    return ResponseCache(config, said.log, has_memory=False)


# Entries


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        ENTRY._replace(text="", thinking="", usage=Usage()),
        ENTRY._replace(text="x" * 100_000, stored_ns=time.time_ns()),
        ENTRY._replace(expires_ns=time.time_ns()),
    ],
)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert unpack_entry(pack_entry(entry)) == entry


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:20],
        lambda data: b"\x03" + data[1:],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: Payload(1, b"\xff", b"\x99", is_plain=True).packed(),
        lambda data: Payload(1, b"", b"\xc0", is_plain=True).packed(),
        lambda data: Payload(1, b"", b"\x99" + b"\xc0" * 9, is_plain=True).packed(),
        lambda data: b"",
    ],
)
def test_a_payload_of_another_format_is_none(change: Callable[[bytes], bytes]) -> None:
    assert unpack_entry(change(pack_entry(ENTRY))) is None


def test_the_text_is_read_without_the_rest() -> None:
    payload = parse(pack_entry(ENTRY))

    assert payload
    assert payload.text.decode() == ENTRY.text


@pytest.mark.parametrize(
    ("age_ns", "ttl_ns", "expected"),
    [
        (0, HOUR_NS, True),
        (HOUR_NS - 1, HOUR_NS, True),
        (HOUR_NS, HOUR_NS, False),
        (10**6 * HOUR_NS, None, True),
        (-HOUR_NS // 60, HOUR_NS, True),  # another machine's clock, or NTP
        (-HOUR_NS, HOUR_NS, False),
        (-HOUR_NS, None, True),
    ],
)
def test_an_answer_lives_for_the_ttl_of_its_reader(
    age_ns: int, ttl_ns: int | None, expected: bool
) -> None:
    assert is_fresh(10**18 - age_ns, None, ttl_ns, 10**18) is expected


@pytest.mark.parametrize("ttl_ns", [None, HOUR_NS])
def test_an_answer_lives_until_it_expires(ttl_ns: int | None) -> None:
    now_ns = 10**18

    assert is_fresh(now_ns - 5, now_ns + 1, ttl_ns, now_ns)
    assert not is_fresh(now_ns - 5, now_ns, ttl_ns, now_ns)


# Disk


def test_an_answer_is_there_for_other_processes(
    config: CacheConfig, said: Said, cache: ResponseCache
) -> None:
    entry = fresh()
    cache.put(KEY, entry)

    other = ResponseCache(config, said.log, has_memory=False)

    assert other.get(KEY) == entry._replace(expires_ns=entry.stored_ns + HOUR_NS)
    assert other.get(OTHER) is None
    assert said.records == []


def test_an_expired_answer_is_none_unless_it_is_wanted(cache: ResponseCache) -> None:
    entry = fresh(age_ns=2 * HOUR_NS)
    cache.put(KEY, entry)

    assert cache.get(KEY) is None
    assert cache.get(KEY, expired_too=True)


@pytest.mark.parametrize(("written", "read"), [(60.0, None), (None, 60.0)])
def test_a_hit_needs_the_ttl_of_both(
    config: CacheConfig, said: Said, written: float | None, read: float | None
) -> None:
    writer, reader = (
        ResponseCache(config._replace(ttl_s=ttl_s), said.log, has_memory=False)
        for ttl_s in (written, read)
    )
    writer.put(KEY, fresh(age_ns=61 * 10**9))
    writer.put(OTHER, fresh(age_ns=59 * 10**9))

    assert reader.get(KEY) is None
    assert reader.get(OTHER)


def test_a_ttl_of_zero_is_for_ever(config: CacheConfig, said: Said) -> None:
    cache = ResponseCache(config._replace(ttl_s=None), said.log, has_memory=False)
    cache.put(KEY, fresh(age_ns=10**5 * HOUR_NS))

    assert cache.get(KEY)


def test_a_hit_writes_nothing_to_the_shard(
    config: CacheConfig, cache: ResponseCache
) -> None:
    cache.put(KEY, fresh())
    shard = layout.shard_path(config.path, KEY)
    before = os.stat(shard)

    assert cache.get(KEY)

    assert os.stat(shard).st_mtime_ns == before.st_mtime_ns
    moments = layout.moments_of_use(config.path, KEY[:1].hex())
    assert abs(layout.used_at_s(moments, KEY) - time.time()) < 60


def shard_key(number: int) -> bytes:
    """Return a key; all of them are in one shard, each with a place of its own."""
    return b"s" + number.to_bytes(2, "little") + bytes(29)


def test_what_was_used_last_stays_when_room_is_wanted(config: CacheConfig) -> None:
    """Across processes: by the moments they noted, not by the order of storing."""
    size = 256 * 50_000
    root = config.path
    now_s = int(time.time())

    def store() -> Store:
        return Store(root, max_bytes=size, is_synced=False)

    for number in range(40):
        entry = fresh("x" * 1000, age_ns=(100 - number) * 10**9)
        store().put(shard_key(number), pack_entry(entry))
    for number in range(0, 40, 2):
        layout.note_use(root, shard_key(number), now_s + number)
    for number in range(40, 60):
        entry = fresh("x" * 1000)
        store().put(shard_key(number), pack_entry(entry))

    kept = {record.key for record in store().records()}
    assert os.path.getsize(f"{root}/answers/73") <= size // 256
    used = {shard_key(number) for number in range(0, 40, 2)}
    unused = {shard_key(number) for number in range(1, 40, 2)}
    assert len(used & kept) > len(unused & kept)
    assert shard_key(59) in kept
    assert not {shard_key(1), shard_key(3)} & kept


def test_what_has_expired_goes_first_when_room_is_wanted(config: CacheConfig) -> None:
    """Even if it was used last: nobody but --cache-only takes it."""
    store = Store(config.path, max_bytes=256 * 9000, is_synced=False)
    for number in range(4):
        old = fresh("x" * 1000)._replace(expires_ns=1)
        store.put(shard_key(number), pack_entry(old))
    layout.note_use(config.path, shard_key(0), int(time.time()) + 9)
    for number in range(4, 10):
        store.put(shard_key(number), pack_entry(fresh("x" * 1000)))

    kept = {record.key for record in store.records()}

    assert {shard_key(number) for number in range(4, 10)} <= kept
    assert len(kept) < 10


@pytest.mark.parametrize("age_ns", [2 * HOUR_NS, -10 * HOUR_NS])
def test_nothing_is_dropped_for_the_ttl_of_another(
    config: CacheConfig, said: Said, age_ns: int
) -> None:
    """Nor for being from the future: a clock was wrong, or is."""
    for_ever = ResponseCache(config._replace(ttl_s=None), said.log, has_memory=False)
    for_ever.put(KEY, fresh(age_ns=age_ns))
    strict = ResponseCache(config._replace(ttl_s=1.0), said.log, has_memory=False)

    assert strict.compact() == 0
    for number in range(300):  # and rewrites the shard more than once
        strict.put(KEY[:1] + number.to_bytes(31, "little"), fresh("x" * 1000))

    assert for_ever.get(KEY)


def test_what_has_expired_stays_where_there_is_room(cache: ResponseCache) -> None:
    cache.put(KEY, fresh(age_ns=2 * HOUR_NS))

    assert cache.compact() == 0
    assert cache.get(KEY, expired_too=True)


def test_an_answer_that_is_too_large_is_not_kept_and_that_is_all(
    config: CacheConfig, said: Said
) -> None:
    small = config._replace(max_disk_bytes=256 * 1000)
    cache = ResponseCache(small, said.log, has_memory=False)

    cache.put(KEY, fresh("x" * 1000))

    assert cache.get(KEY) is None
    assert said.warnings == []


# Memory


def test_memory_answers_when_the_disk_is_gone(
    config: CacheConfig, said: Said, tmp_path: Path
) -> None:
    cache = ResponseCache(config, said.log, has_memory=True)
    cache.put(KEY, fresh())
    os.rename(config.path, tmp_path / "elsewhere")

    assert cache.get(KEY)
    assert cache.get(OTHER) is None


def test_without_persistence_nothing_is_written(
    config: CacheConfig, said: Said
) -> None:
    config = config._replace(enable_persistence=False)
    cache = ResponseCache(config, said.log, has_memory=False)
    cache.put(KEY, fresh())

    assert cache.get(KEY)
    assert cache.begin_flight(KEY)
    cache.end_flight(KEY)
    assert ResponseCache(config, said.log, has_memory=False).get(KEY) is None
    assert not os.path.exists(config.path)


def test_memory_holds_no_more_entries_than_it_may(
    config: CacheConfig, said: Said
) -> None:
    config = config._replace(enable_persistence=False, max_memory_entries=2)
    cache = ResponseCache(config, said.log, has_memory=True)

    for key in (KEY, OTHER, b"t" * 32):
        cache.put(key, fresh())

    assert [bool(cache.get(key)) for key in (KEY, OTHER)] == [False, True]


@pytest.fixture
def clock() -> list[float]:
    """Give the time by which a cache looks whether its journals have changed."""
    return [0.0]


@pytest.fixture
def long_lived(config: CacheConfig, said: Said, clock: list[float]) -> ResponseCache:
    """Give a cache as a conversation has it, which goes on for days."""
    return ResponseCache(config, said.log, has_memory=True, clock=lambda: clock[0])


def test_what_another_process_removed_is_forgotten(
    long_lived: ResponseCache, cache: ResponseCache, clock: list[float]
) -> None:
    long_lived.put(KEY, fresh())
    assert long_lived.get(KEY)

    cache.clear()
    clock[0] += 0.01

    assert long_lived.get(KEY) is None


def test_what_another_process_asked_anew_is_seen(
    long_lived: ResponseCache, cache: ResponseCache, clock: list[float]
) -> None:
    long_lived.put(KEY, fresh("older"))
    for moment in range(2):
        clock[0] += moment
        assert text_of(long_lived) == "older"

    cache.put(KEY, fresh("newer"))
    clock[0] += 0.01

    assert text_of(long_lived) == text_of(long_lived) == "newer"


def test_what_has_expired_in_memory_is_looked_for_on_disk(
    long_lived: ResponseCache, cache: ResponseCache
) -> None:
    """Somebody else may have asked it just now, and we waited for him."""
    long_lived.put(KEY, fresh("older", age_ns=2 * HOUR_NS))
    assert text_of(long_lived) is None

    cache.put(KEY, fresh("newer"))

    assert text_of(long_lived) == "newer"


def test_what_is_in_memory_is_not_read_again(
    config: CacheConfig, said: Said, cache: ResponseCache
) -> None:
    cache.put(KEY, fresh())
    long_lived = ResponseCache(config, said.log, has_memory=True)
    assert long_lived.get(KEY)
    shard = Path(layout.shard_path(config.path, KEY))
    status = shard.stat()
    shard.write_bytes(bytes(status.st_size))  # and nothing tells
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert text_of(long_lived) == "An answer."


def text_of(cache: ResponseCache) -> str | None:
    entry = cache.get(KEY)
    return entry.text if entry else None


def test_a_cache_in_memory_looks_after_itself_and_leaves_the_disk_alone(
    config: CacheConfig, said: Said, cache: ResponseCache
) -> None:
    cache.put(KEY, fresh("on disk"))
    config = config._replace(enable_persistence=False)
    own = ResponseCache(config, said.log, has_memory=True)
    own.put(OTHER, fresh("in memory"))
    own.put(KEY, fresh("in memory too")._replace(model="beta", asked_model="beta"))

    assert own.size_bytes() > 0
    assert {found.key for found in own.entries()} == {KEY, OTHER}
    assert own.remove(lambda found: found.entry.is_of_model("beta")) == 1
    assert (own.compact(), own.damage()) == (0, [])
    assert own.clear() == 1
    assert own.get(OTHER) is None
    assert text_of(cache) == "on disk"


# Looking after it


def test_answers_are_removed_one_by_one(cache: ResponseCache) -> None:
    cache.put(KEY, fresh())
    cache.put(OTHER, fresh()._replace(model="beta", asked_model="beta"))

    assert cache.remove(lambda found: found.entry.is_of_model("alpha")) == 1

    assert [found.key for found in cache.entries()] == [OTHER]
    assert cache.get(KEY) is None


@pytest.mark.parametrize("name", ["alpha", "alpha:latest"])
def test_a_model_is_known_by_either_name(name: str) -> None:
    assert ENTRY.is_of_model(name)
    assert not ENTRY.is_of_model("alp")
    assert not ENTRY.is_of_model("alpha:7b")


def test_compacting_keeps_what_counts(cache: ResponseCache) -> None:
    cache.put(KEY, fresh())
    cache.put(KEY, fresh("newer"))
    before = cache.size_bytes()

    assert cache.compact() == 0

    assert cache.size_bytes() < before
    assert [found.entry.text for found in cache.entries()] == ["newer"]


def test_an_entry_says_how_much_it_takes(cache: ResponseCache) -> None:
    cache.put(KEY, fresh())

    (found,) = cache.entries()

    assert isinstance(found, Hit)
    assert cache.size_bytes() == found.size_bytes + 16


def test_trouble_is_one_warning_and_a_problem(
    config: CacheConfig, said: Said, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    config = config._replace(path=str(tmp_path / "file"))
    cache = ResponseCache(config, said.log, has_memory=False)

    cache.put(KEY, fresh())
    assert cache.get(KEY) is None
    assert cache.begin_flight(KEY) is None

    assert len(said.warnings) == 1
    assert cache.problem


def test_trouble_that_is_over_is_forgotten(
    config: CacheConfig, said: Said, tmp_path: Path
) -> None:
    root = tmp_path / "cache"
    root.touch()
    config = config._replace(path=str(root))
    cache = ResponseCache(config, said.log, has_memory=False)
    cache.put(KEY, fresh())
    assert cache.problem

    root.unlink()
    cache.put(KEY, fresh())

    assert (cache.problem, bool(cache.get(KEY))) == ("", True)
    assert len(said.warnings) == 1


def test_what_can_still_be_read_does_not_make_a_full_disk_forgotten(
    config: CacheConfig, said: Said, cache: ResponseCache
) -> None:
    """Else there would be a warning at each answer."""
    cache.put(KEY, fresh())
    (Path(config.path) / "answers" / OTHER[:1].hex()).mkdir()
    for _ in range(2):
        cache.put(OTHER, fresh())
        assert cache.get(KEY)

    assert cache.problem
    assert len(said.warnings) == 1
