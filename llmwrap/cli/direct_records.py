"""What direct mode may answer next time, decided when all is known. Floor F7.

A run leaves a record only if everything that made its answer is in the digest of its
invocation (direct.py), and if giving it again says nothing but the text.
"""

from __future__ import annotations

import argparse
import os

from ..cache.response_cache import StoredAs
from ..direct import CONFIG_VARIABLE, READS_STDIN, RECORDS, Invocation, Pointer
from ..engine.prompting import decoded
from ..errors import ConfigError
from ..journal.keyed import KeyedJournal
from ..journal.records import Record
from ..messages import Completion
from ..metrics.recorder import Run, moved_run, pack_run
from ..paths import ensure_private_dir
from .session import Session

_SHARD_BYTES = 64 << 10
_PATH_VARIABLES = ("HOME", CONFIG_VARIABLE, "LLMWRAP_CACHE_PATH")


def leave_record(
    invocation: Invocation,
    args: argparse.Namespace,
    session: Session,
    completion: Completion,
    stored_as: StoredAs | None,
) -> None:
    """Let direct mode answer the same invocation from now on, if it may.

    `stored_as` is where the next run looks for the answer without asking anybody.
    """
    if stored_as is None or stored_as.is_file or not stored_as.is_on_disk:
        return
    has_more_to_say = completion.thinking or completion.finish_reason == "length"
    if has_more_to_say or not (invocation.is_settled and _is_plain(args, session)):
        return
    pointer = Pointer(
        stored_as.key,
        stored_as.ttl_ns,
        args.timeout or session.config.streaming.total_timeout_s,
        (stored_as.root, stored_as.generation_path, stored_as.generation),
        moved_run(pack_run(_hit(completion))),
    )
    stdin = session.stdin_content
    try:
        if stdin is None:
            _put(invocation, invocation.key, pointer.packed())
        else:
            _put(invocation, invocation.key_with(stdin), pointer.packed())
            _put(invocation, invocation.key, READS_STDIN)
    except (OSError, ConfigError) as error:
        session.log.debug(f"no record for direct mode: {error}")


def _is_plain(args: argparse.Namespace, session: Session) -> bool:
    """Tell whether nothing outside the digest decides what is asked and shown."""
    config, context = session.config, session.context
    environ = context.environ
    return (
        args.format == "text"
        and args.cache in (None, "use")
        and args.output is None
        and args.sanitize != "always"
        and not (args.file or args.image or args.config or args.typo)
        and not args.template
        and not (args.system or "").startswith("@")
        and all(os.path.isabs(environ.get(name) or os.sep) for name in _PATH_VARIABLES)
        and not _says_bad_bytes(session)
        and not context.stdout.is_tty
        and not config.warnings
        and not session.conversation_choice().is_any(config.history)
        and not session.log.is_heard("info")
    )


def _says_bad_bytes(session: Session) -> bool:
    """Tell whether stdin was not all UTF-8, which is a note each time."""
    return decoded(session.stdin_content or b"")[1] and session.log.is_heard("note")


def _hit(completion: Completion) -> Run:
    """Return the record of a hit, its moments left to whoever answers."""
    return Run(
        started_at=0.0,
        lookup_s=0.0,
        ttft_s=0.0,
        e2e_s=0.0,
        queued_s=0.0,
        outcome="hit",
        backend=completion.backend,
        model=completion.model,
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
    )


def _put(invocation: Invocation, key: bytes, payload: bytes) -> None:
    path = invocation.journal_path(key)
    ensure_private_dir(os.path.dirname(path))
    journal = KeyedJournal(
        path, RECORDS, budget_bytes=_SHARD_BYTES, select=_newer_half, is_synced=False
    )
    if journal.find(key) != payload:
        journal.put(key, payload)


def _newer_half(records: list[Record], room_bytes: int) -> list[Record]:
    return records[len(records) // 2 :]
