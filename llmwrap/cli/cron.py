"""What cron jobs want: one run at a time, and nothing done for nothing; its options.

The order is the lock, stdin, the answer, comparing, renaming; the end of the run
frees the lock.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CacheError, ConfigError, DeadlineError, UsageError
from ..files import lock_file
from ..paths import ensure_private_dir, state_dir
from ..units import format_duration
from .parser import Parser, duration
from .session import STDIN_NAMES, Session

_NAME = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}"  # compiled where a lock is named


def add_cron(parser: Parser) -> None:
    """Add the options for cron jobs."""
    group = parser.add_argument_group("cron jobs")
    group.add_argument(
        "--lock",
        metavar="NAME",
        type=_lock_name,
        help="do nothing, status 0, while another run holds the lock of that name",
    )
    group.add_argument(
        "--lock-wait",
        metavar="S",
        type=duration,
        help="wait for the lock so long, which --timeout does not count; then"
        " status 124",
    )
    group.add_argument(
        "--skip-empty",
        action="store_true",
        help="do nothing, status 0, when stdin holds nothing but white space and no"
        " file is given",
    )
    group.add_argument(
        "--if-changed",
        action="store_true",
        help="with -O: leave FILE alone when it holds the same bytes",
    )


def check_cron(args: argparse.Namespace) -> None:
    """Check the options for cron jobs against each other. Raises: UsageError."""
    if args.if_changed and args.output is None:
        raise UsageError("--if-changed is about a file", hint="-O FILE names it")
    if args.lock_wait is not None and args.lock is None:
        raise UsageError("--lock-wait waits for nothing", hint="--lock names the lock")
    if args.skip_empty and args.no_stdin:
        raise UsageError("--skip-empty looks at stdin, which --no-stdin never reads")


@contextmanager
def why_skipped(args: argparse.Namespace, session: Session) -> Iterator[str]:
    """Give why nothing is to be asked: `lock`, `empty`, or "" where something is.

    The lock is taken before stdin is looked at, and held until the end.
    Raises: DeadlineError, CacheError when it cannot be locked.
    """
    if args.lock is None:
        yield _why_empty(args, session)
        return
    number = _locked(args, session)
    if number is None:
        session.log.info(f"another run holds the lock '{args.lock}': nothing is asked")
        yield "lock"
        return
    try:
        session.start_clock(time.monotonic())
        yield _why_empty(args, session)
    finally:
        os.close(number)


def _why_empty(args: argparse.Namespace, session: Session) -> str:
    named = {*args.file, *args.image} - STDIN_NAMES
    stdin = session.context.stdin
    if not args.skip_empty or named or stdin.is_tty:
        return ""
    if not stdin.is_blank(session.config.limits.prompt_bytes):
        return ""
    session.log.info("stdin is empty: nothing is asked")
    return "empty"


def _locked(args: argparse.Namespace, session: Session) -> int | None:
    directory = os.path.join(state_dir(session.context.environ), "locks")
    path = os.path.join(directory, args.lock)
    try:
        ensure_private_dir(directory)
        number = lock_file(path, args.lock_wait or 0.0)
    except ConfigError as error:
        raise CacheError(error.message, hint=error.hint) from error
    except OSError as error:
        raise CacheError(f"cannot lock '{path}': {error.strerror}") from error
    if number is None and args.lock_wait is not None:
        waited = format_duration(args.lock_wait)
        raise DeadlineError(
            f"another run held the lock '{args.lock}' for {waited}",
            hint="--lock-wait waits longer",
        )
    return number


def _lock_name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no name of a lock; up to 64 letters, digits, '.', '_' and"
            " '-' are"
        )
    return text
