"""`cache`: what the response cache holds, and looking after it."""

from __future__ import annotations

import argparse
import time

from ..cache.response_cache import Hit, ResponseCache
from ..errors import CacheError, ConfigError
from ..messages import Json
from ..units import format_duration, format_size
from ..upkeep.cache_care import (
    Filter,
    cache_damage,
    cache_stats,
    cached_answers,
    clear_cache,
    compact_cache,
)
from .context import Context
from .parser import (
    Command,
    Parser,
    Verb,
    add_common,
    add_json,
    duration,
)
from .session import Session
from .tables import Column


def _add_filter(parser: Parser) -> None:
    group = parser.add_argument_group("which answers")
    group.add_argument("-m", "--model", metavar="M", help="those of a model")
    group.add_argument("-b", "--backend", metavar="NAME", help="those of a backend")
    group.add_argument(
        "--older-than",
        metavar="AGE",
        type=duration,
        help="those stored longer ago, such as 12h or 7d",
    )
    group.add_argument(
        "--key", metavar="PREFIX", type=_hexadecimal, help="those whose key begins so"
    )


COMMAND = Command(
    name="cache",
    summary="Look at the response cache, and look after it.",
    verbs=(
        Verb("stats", "Show how much it holds and how often it had the answer."),
        Verb("list", "List the answers, newest first.", "", _add_filter),
        Verb("show", "Show one, by the beginning of its key.", "KEY"),
        Verb("clear", "Remove the answers, or some of them.", "", _add_filter),
        Verb("verify", "Read every record, and say which are damaged."),
        Verb("compact", "Rewrite the files without what is dead, damaged or too much."),
        Verb("path", "Print the directory."),
    ),
)

_SHOWN_KEY = 12
_COLUMNS = (
    Column("KEY"),
    Column("MODEL"),
    Column("BACKEND"),
    Column("AGE", is_right=True),
    Column("SIZE", is_right=True),
    Column("TOKENS", is_right=True),
    Column("STATE"),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0, or 11 through CacheError."""
    has_data = args.json or args.verb in ("stats", "list", "show", "path")
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=has_data)
        # What is on disk, whoever may use it now.
        config = session.config.cache._replace(enable_persistence=True)
        cache = ResponseCache(config, session.log, has_memory=False)
        damaged = _Work(args, session, cache).do(args.verb)
    if damaged:  # JSON has said where, and needs no second object
        raise CacheError(
            f"the cache is damaged in {_counted(damaged, 'file')}",
            hint="'llmwrap cache compact' drops what is; what is whole stays",
        )
    return 0


class _Work:
    """One command on one cache."""

    def __init__(
        self,
        args: argparse.Namespace,
        session: Session,
        cache: ResponseCache,
    ) -> None:
        self._is_json = args.json
        self._session = session
        self._output = session.output
        self._cache = cache
        self._args = args

    def do(self, verb: str) -> int:
        """Do what a verb says; return how many damaged files it found.

        Raises: CacheError.
        """
        if verb == "verify":
            return self._verify()
        {
            "stats": self._stats,
            "list": self._list,
            "show": self._show,
            "clear": self._clear,
            "compact": self._compact,
            "path": self._path,
        }[verb]()
        return 0

    def _stats(self) -> None:
        stats = cache_stats(self._cache, self._session.context.environ)
        if self._is_json:
            self._write(
                entries=stats.entries,
                bytes=stats.size_bytes,
                hits=stats.hits,
                misses=stats.misses,
                hit_ratio=stats.hit_ratio(),
            )
            return
        rows = [
            ("path", self._cache.root),
            ("entries", str(stats.entries)),
            ("size", format_size(stats.size_bytes)),
            ("hits", str(stats.hits)),
            ("misses", str(stats.misses)),
            ("hit ratio", f"{stats.hit_ratio():.1%}"),
        ]
        self._output.rows((Column(""), Column("")), rows)

    def _list(self) -> None:
        found = cached_answers(self._cache, self._wanted())
        if self._is_json:
            rows = [self._document(one) for one in found]
            self._output.json_rows("cache", rows)
        elif found:
            self._output.rows(_COLUMNS, [self._cells(one) for one in found])
        else:
            what = "no such answer" if self._wanted() != Filter() else "no answer"
            self._session.log.note(f"{what} is stored")

    def _show(self) -> None:
        (prefix,) = self._args.operands
        found = cached_answers(self._cache, Filter(key=prefix))
        if len(found) != 1:
            what = "no answer" if not found else f"{len(found)} answers"
            raise ConfigError(
                f"{what} with a key that begins '{prefix}'",
                hint="'llmwrap cache list --json' has whole keys",
            )
        (one,) = found
        if self._is_json:
            row = {**self._document(one), "text": one.entry.text}
            self._output.json_rows("cache", [row])
            return
        names = [column.title.lower() for column in _COLUMNS]
        cells = [one.key.hex(), *self._cells(one)[1:]]
        pairs = list(zip(names, cells, strict=True))
        self._output.rows((Column(""), Column("")), pairs)
        self._output.text(f"\n{one.entry.text}")
        self._output.end_text()

    def _wanted(self) -> Filter:
        args = self._args
        return Filter(args.model, args.backend, args.older_than, args.key)

    def _clear(self) -> None:
        removed = clear_cache(self._cache, self._wanted())
        self._session.log.note(f"removed {_counted(removed, 'answer')}")
        if self._is_json:
            self._write(removed=removed)

    def _verify(self) -> int:
        damage = cache_damage(self._cache)
        if self._is_json:
            rows: list[dict[str, Json]] = [
                {
                    "path": one.path,
                    "damaged_bytes": one.damaged_bytes,
                    "problem": one.problem or None,
                }
                for one in damage
            ]
            self._output.json_rows("damage", rows)
        for one in damage:
            what = one.problem or f"{one.damaged_bytes} damaged bytes"
            self._session.log.warning(f"'{one.path}': {what}")
        if not damage:
            self._session.log.note("the cache is whole")
        return len(damage)

    def _compact(self) -> None:
        count, size_bytes = compact_cache(self._cache)
        went = format_size(max(0, size_bytes))
        self._session.log.note(f"dropped {_counted(count, 'answer')}, {went} in all")
        if self._is_json:
            self._write(removed=count, bytes=size_bytes)

    def _path(self) -> None:
        if self._is_json:
            self._write(path=self._cache.root)
        else:
            self._output.path(self._cache.root)

    def _write(self, **fields: Json) -> None:
        self._output.json(fields)

    def _cells(self, found: Hit) -> list[str]:
        entry = found.entry
        tokens = entry.usage.completion_tokens
        return [
            found.key.hex()[:_SHOWN_KEY],
            entry.model,
            entry.backend,
            format_duration(max(0.0, time.time() - entry.stored_at)),
            format_size(found.size_bytes),
            "" if tokens is None else str(tokens),
            "fresh" if self._cache.is_fresh(entry) else "expired",
        ]

    def _document(self, found: Hit) -> dict[str, Json]:
        entry = found.entry
        return {
            "key": found.key.hex(),
            "model": entry.model,
            "asked_model": entry.asked_model,
            "backend": entry.backend,
            "kind": entry.kind,
            "digest": entry.digest or None,
            "stored_at": entry.stored_at,
            "expired": not self._cache.is_fresh(entry),
            "bytes": found.size_bytes,
            "finish_reason": entry.finish_reason,
            "usage": dict(entry.usage._asdict()),
        }


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _hexadecimal(text: str) -> str:
    if not text or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"'{text}' is no beginning of a key")
    return text
