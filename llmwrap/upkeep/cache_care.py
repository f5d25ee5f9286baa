"""Looking after the response cache: counts, lists, clearing, checking."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from ..cache.response_cache import Hit, ResponseCache
from ..cache.store import Damage
from ..errors import CacheError
from ..metrics.run import Counts

T = TypeVar("T")


class CacheStats(NamedTuple):
    """What the cache holds, and how often it had the answer.

    `entries` and `size_bytes` are those of the disk; hits and misses those of all
    runs of this user on this machine that are kept. A cache that is in memory only
    counts itself.
    """

    entries: int
    size_bytes: int
    hits: int
    misses: int

    def hit_ratio(self) -> float:
        """Return hits over look-ups, 0 without any."""
        return Counts(self.hits, self.misses).hit_ratio


class Filter(NamedTuple):
    """Which answers are meant: all that fit everything that is given.

    `model` and `backend` are names, `older_than_s` an age in seconds, `key` how the
    key begins, in hexadecimal.
    """

    model: str | None = None
    backend: str | None = None
    older_than_s: float | None = None
    key: str | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether every answer fits."""
        return self == Filter()

    def fits(self, found: Hit, now: float) -> bool:
        """Tell whether an answer is meant; `now` is the wall clock."""
        entry = found.entry
        return (
            (self.model is None or entry.is_of_model(self.model))
            and (
                self.backend is None
                or self.backend.lower() in (entry.backend.lower(), entry.kind.lower())
            )
            and (self.older_than_s is None or now - entry.stored_at > self.older_than_s)
            and (self.key is None or found.key.hex().startswith(self.key.lower()))
        )


def cache_stats(cache: ResponseCache, environ: Mapping[str, str]) -> CacheStats:
    """Return what the cache holds and did. Raises: CacheError."""
    from ..metrics.tally import read_counts  # late: not for those who list or clear

    entries = _cared(cache, lambda: sum(1 for _ in cache.entries()))
    size_bytes = _cared(cache, cache.size_bytes)
    if not cache.is_on_disk:
        return CacheStats(entries, size_bytes, cache.hits, cache.misses)
    counts = _cared(cache, lambda: read_counts(environ))
    return CacheStats(entries, size_bytes, counts.hits, counts.misses)


def cached_answers(cache: ResponseCache, wanted: Filter) -> list[Hit]:
    """Return the answers that are meant, the newest first. Raises: CacheError."""
    now = time.time()
    found = _cared(cache, lambda: [f for f in cache.entries() if wanted.fits(f, now)])
    return sorted(found, key=lambda one: -one.entry.stored_ns)


def clear_cache(cache: ResponseCache, meant: Filter) -> int:
    """Remove the answers that are meant; return how many. Raises: CacheError."""
    if meant.is_empty:
        return _cared(cache, cache.clear)
    now = time.time()
    return _cared(cache, lambda: cache.remove(lambda found: meant.fits(found, now)))


def compact_cache(cache: ResponseCache) -> tuple[int, int]:
    """Write the cache anew; return how many answers and bytes went.

    Raises: CacheError.
    """
    before_bytes = _cared(cache, cache.size_bytes)
    count = _cared(cache, cache.compact)
    return count, before_bytes - _cared(cache, cache.size_bytes)


def cache_damage(cache: ResponseCache) -> list[Damage]:
    """Return what is damaged, looking at every byte. Raises: CacheError."""
    return _cared(cache, cache.damage)


def _cared(cache: ResponseCache, call: Callable[[], T]) -> T:
    try:
        return call()
    except OSError as error:
        reason = error.strerror or str(error)
        reason = reason[:1].lower() + reason[1:]
        where = error.filename or cache.root
        raise CacheError(f"the cache cannot be used: {reason} ('{where}')") from error
