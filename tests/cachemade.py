"""Caches made by hand; light enough for processes of which many start at once."""

from __future__ import annotations

import fcntl
from pathlib import Path

from llmwrap.cache.entry import Entry
from llmwrap.cache.response_cache import ResponseCache
from llmwrap.config import CacheConfig
from llmwrap.log import LEVELS, Log, LogRecord, Sink
from llmwrap.messages import Usage

CONFIG = CacheConfig(
    enabled=True,
    max_memory_entries=10,
    ttl_s=None,
    enable_persistence=True,
    memory_pressure_ratio=1.0,
    max_disk_bytes=1 << 30,
    path="",
    sync=False,
)


class Warnings(Log):
    """A log that keeps the warnings."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        super().__init__(Sink(LEVELS["warning"], self.records.append))

    def __len__(self) -> int:
        return len(self.records)


def is_anything_in_flight(file: Path) -> bool:
    """Tell whether anybody has a byte of the file of flights locked."""
    with file.open("rb+") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def cache_at(path: Path, log: Log, config: CacheConfig = CONFIG) -> ResponseCache:
    """Return the cache below a directory as one short process has it."""
    return ResponseCache(config._replace(path=str(path)), log, has_memory=False)


def key_of(number: int, shard: int = 0xAB) -> bytes:
    """Return a key; those with one `shard` share a file."""
    return bytes([shard]) + number.to_bytes(2, "little") * 15 + b"k"


def entry_of(text: str, stored_ns: int = 1) -> Entry:
    """Return an answer."""
    usage = Usage(1, 2)
    return Entry(stored_ns, text, "", "m", "m", "ollama", "ollama", "d", "stop", usage)


def text_of(cache: ResponseCache, key: bytes) -> str | None:
    """Return the text that the cache has for a key."""
    entry = cache.get(key)
    return entry.text if entry else None
