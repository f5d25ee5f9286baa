"""What direct mode may answer next time, decided when all is known.

A run leaves a record only if everything that made its answer is in the digest of its
invocation (direct.py), and if giving it again says nothing but the text. What may be
is listed; whatever is new is not, until somebody has thought of it.
"""

from __future__ import annotations

import argparse
import os

from ..backends import BUILT_IN_KINDS
from ..cache.owner import salt
from ..cache.response_cache import ResponseCache, StoredAs
from ..config import BackendConfig, mask_secrets
from ..direct import (
    CONFIG_VARIABLE,
    READS_STDIN,
    RECORDS,
    Invocation,
    Pointer,
    is_covered,
)
from ..engine import Answer
from ..engine.question import Question
from ..errors import ConfigError
from ..journal.keyed import KeyedJournal
from ..journal.records import Record
from ..messages import Completion
from ..metrics.run import Run, moved_run, pack_run
from ..paths import ensure_private_dir
from ..prompting.text import decoded
from .session import Session

ALLOWED = frozenset(
    (
        "backend",
        "base_url",
        "cache",
        "color",
        "connect_timeout",
        "first_token_timeout",
        "hide_thinking",
        "idle_timeout",
        "max_tokens",
        "model",
        "no_history",
        "no_stdin",
        "option",
        "plain",  # there are no records of what a terminal shows
        "quiet",
        "raw",
        "retries",
        "retry_delay",
        "sanitize",
        "schema",  # a file that it names was read, which leaves no record
        "schema_list",
        "schema_retries",
        "seed",
        "stop",
        "stream",
        "system",
        "temperature",
        "think",
        "timeout",
        "top_p",
    )
)
"""Options that the words of an invocation tell all about, and that add no output."""

SETTINGS = frozenset(
    (
        "name",
        "kind",
        "base_url",
        "timeout_s",
        "connect_timeout_s",
        "retry_attempts",
        "api_key_header",
        "user",
        "api_key_env",  # if the variable is in the digest
        "proxy",
        "ca_bundle",
        "explicit",
    )
)
"""Settings of a backend that the configuration tells all about."""

_SHARD_BYTES = 64 << 10
_LOCK_WAIT_S = 0.1  # the next run leaves one as well
_PATH_VARIABLES = ("HOME", CONFIG_VARIABLE, "LLMWRAP_CACHE_PATH")


def leave_record(
    invocation: Invocation,
    args: argparse.Namespace,
    session: Session,
    answer: Answer,
    cache: ResponseCache,
) -> None:
    """Let direct mode answer the same invocation from now on, if it may."""
    completion, question = answer.completion, answer.question
    has_more_to_say = completion.thinking or completion.end != "good"
    if has_more_to_say or not (invocation.is_settled and _is_plain(args, session)):
        return
    stored_as = _found_again(question, cache)
    if stored_as is None or question is None:
        return
    pointer = Pointer(
        stored_as.key,
        stored_as.ttl_ns,
        args.timeout or session.config.streaming.total_timeout_s,
        (stored_as.root, stored_as.generation_path, stored_as.generation),
        moved_run(pack_run(_hit(completion, question))),
    )
    try:
        _leave(invocation, pointer, session.stdin_content)
    except (OSError, ConfigError) as error:
        session.log.debug(f"no record for direct mode: {error}")


def _leave(invocation: Invocation, pointer: Pointer, stdin: bytes | None) -> None:
    if not invocation.is_told:
        salt(invocation.environ)
        invocation.tell()
    if stdin is None:
        _put(invocation, invocation.key, pointer.packed())
    else:
        _put(invocation, invocation.key_with(stdin), pointer.packed())
        _put(invocation, invocation.key, READS_STDIN)


def _found_again(question: Question | None, cache: ResponseCache) -> StoredAs | None:
    """Return where the next run looks for the answer, asking nobody.

    None when it does not look, or a server has to be found or asked for its model.
    """
    if question is None or question.place is None or not question.is_known:
        return None
    if not _is_told(question.candidates[0].backend):
        return None
    stored_as = cache.stored_as(question.place, question.generation, question.key)
    return stored_as if stored_as.is_on_disk and not stored_as.is_file else None


def _is_told(backend: BackendConfig) -> bool:
    """Tell whether the digest says all about whose the answers of a backend are.

    A backend of another package may look at anything.
    """
    others = set(backend._fields) - SETTINGS
    return (
        backend.kind in BUILT_IN_KINDS
        and not any(getattr(backend, name) for name in others)
        and (backend.api_key_env is None or is_covered(backend.api_key_env))
    )


def _is_plain(args: argparse.Namespace, session: Session) -> bool:
    """Tell whether nothing outside the digest decides what is asked and shown."""
    config, context = session.config, session.context
    environ = context.environ
    return (
        args.given <= ALLOWED
        and args.cache in (None, "use")
        and args.sanitize != "always"
        and not (args.typo or session.has_read_files)
        and not (config.defaults.system or "").startswith("@")
        and all(os.path.isabs(environ.get(name) or os.sep) for name in _PATH_VARIABLES)
        and not _says_bad_bytes(session)
        and not context.stdout.is_tty
        and not config.warnings
        and not session.conversation_choice().is_any(config.history)
        and not session.log.is_heard("info")
    )


def _says_bad_bytes(session: Session) -> bool:
    """Tell whether stdin was not all UTF-8, which is a note each time."""
    said = decoded(session.stdin_content or b"", "stdin").note
    return bool(said) and session.log.is_heard("note")


def _hit(completion: Completion, question: Question) -> Run:
    """Return the record of a hit, its moments left to whoever answers."""
    addressee = question.candidates[0]
    return Run(
        started_at=0.0,
        lookup_s=0.0,
        ttft_s=0.0,
        e2e_s=0.0,
        queued_s=0.0,
        outcome="hit",
        backend=completion.backend,
        model=addressee.model,
        address=mask_secrets(addressee.backend.base_url or ""),
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
        end="good",
    )


def _put(invocation: Invocation, key: bytes, payload: bytes) -> None:
    path = invocation.journal_path(key)
    ensure_private_dir(os.path.dirname(path))
    journal = KeyedJournal(
        path,
        RECORDS,
        budget_bytes=_SHARD_BYTES,
        select=_newer_half,
        is_synced=False,
        wait_s=_LOCK_WAIT_S,
    )
    if journal.find(key) != payload:
        journal.put(key, payload)


def _newer_half(records: list[Record], room_bytes: int) -> list[Record]:
    return records[len(records) // 2 :]
