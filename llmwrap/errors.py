"""The errors of llmwrap: one tree, one exit status each.

Lower floors raise these `from` the foreign error they met; only `cli/main.py` turns
them into an exit status. A message says what failed first, in lower case, without a
full stop, its subject in single quotes; a hint says what to do about it.

    LLMWrapError            1  internal        a bug of ours
    ├── UsageError          2  usage           bad option or argument
    │   └── ClosedError     2  usage           what is closed was asked
    ├── ConfigError         3  config          configuration or input unusable
    ├── UnreachableError    4  unreachable     no connection before the headers
    ├── RefusedError        5  refused         HTTP 4xx, unknown model, a redirect
    ├── BackendFailedError  6  backend_failed  HTTP 5xx, 408, 429, error in a stream
    ├── ProtocolError       7  protocol        the reply breaks the protocol
    │   └── SchemaError     7  protocol        the answer is not of the schema
    ├── IncompleteError     8  incomplete      the answer broke off
    ├── LimitError          9  limit           a size limit was hit
    │   └── ExhaustedError  9  limit           no memory, or no thread, was left
    ├── SomeFailedError    10  some_failed     at least one item failed
    ├── CacheError         11  cache           cache or state unusable
    ├── OutputError        12  output          the output cannot be written
    ├── TargetMissedError  13  target_missed   a performance target is broken
    ├── DeadlineError     124  timeout         a deadline passed
    └── CancelledError    130  interrupted     cancelled from another thread

    Interrupted (KeyboardInterrupt)  128 + signal  interrupted  INT, TERM, HUP, PIPE

`Interrupted` stands outside the tree because no code but the program's own end may
catch it, and it can be raised between any two instructions of the main thread.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar, Literal, TypeAlias

    Trouble: TypeAlias = Literal[
        "", "down", "certificate", "no_tls", "proxy", "proxy_login", "key", "path",
        "redirect", "model", "upstream", "no_model", "context", "memory",
        "cut_prompt", "silent", "no_chat",
    ]  # fmt: skip

    from .messages import Completion

UNLIMITED = 1 << 30
"""A `retries_allowed` that leaves the number to the user's `--retries`."""


class LLMWrapError(Exception):
    """Report that something failed; the root of the tree.

    `retries_allowed` says how often the same request may be sent again before any
    piece of the answer came: 0 never, 1 once, `UNLIMITED` as often as configured.
    `retry_after_s` is what the server asked for, None when it did not. `trouble` is
    what is wrong with a server, `about` the model or the address that it is about:
    what helps depends on how the server was chosen, so the engine makes the hint.
    `is_about_schema` says that it is the schema of the request that a server refused.
    `partial` is the answer as far as it came, None when none was under way.
    """

    exit_status: ClassVar[int] = 1
    kind: ClassVar[str] = "internal"
    is_about_schema = False
    partial: Completion | None = None

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        trouble: Trouble = "",
        about: str = "",
        retries_allowed: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.trouble = trouble
        self.about = about
        self.retries_allowed = retries_allowed
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(LLMWrapError):
    """Report a bad option or argument.

    `usage` is what may be typed instead, a line each, where the command line says it.
    """

    exit_status = 2
    kind = "usage"
    usage: Sequence[str] = ()


class ClosedError(UsageError):
    """Report that something was asked of what is closed, or belongs to a parent."""


class ConfigError(LLMWrapError):
    """Report a configuration, template, variable or input file that is unusable."""

    exit_status = 3
    kind = "config"


class UnreachableError(LLMWrapError):
    """Report a backend that cannot be reached, or was lost before its headers."""

    exit_status = 4
    kind = "unreachable"


class RefusedError(LLMWrapError):
    """Report that the backend refused the request.

    `is_too_long` tells whether the prompt is longer than the model's context, which is
    what the tokens are about; None where the server does not count them. `said` is what
    a server said of a model that it does not have. `is_unknown_model` tells whether
    the backend has no model of that name, `is_unauthorized` whether the key was wrong
    or missing.
    """

    exit_status = 5
    kind = "refused"
    is_too_long = False
    prompt_tokens: int | None = None
    context_tokens: int | None = None
    said = ""
    is_unknown_model = False
    is_unauthorized = False


class BackendFailedError(LLMWrapError):
    """Report that the backend took the request and failed.

    `is_loading` is True for llama.cpp's `503 Loading model`, which is waited out
    instead of being counted as an attempt.
    """

    exit_status = 6
    kind = "backend_failed"
    is_loading = False


class ProtocolError(LLMWrapError):
    """Report a reply that is not what the protocol says."""

    exit_status = 7
    kind = "protocol"


class SchemaError(ProtocolError):
    """Report an answer that is not what its schema asks for; `complaints` say why."""

    complaints: tuple[str, ...] = ()


class IncompleteError(LLMWrapError):
    """Report an answer that broke off, or was cut by a limit nobody set."""

    exit_status = 8
    kind = "incomplete"


class LimitError(LLMWrapError):
    """Report that a size limit of ours was hit."""

    exit_status = 9
    kind = "limit"


class ExhaustedError(LimitError):
    """Report that the machine had no memory, or no thread, left for us."""


class SomeFailedError(LLMWrapError):
    """Report that a run of many items finished and at least one failed."""

    exit_status = 10
    kind = "some_failed"


class CacheError(LLMWrapError):
    """Report that the cache or another kept state cannot be used where it must be."""

    exit_status = 11
    kind = "cache"


class OutputError(LLMWrapError):
    """Report that the output cannot be written."""

    exit_status = 12
    kind = "output"


class TargetMissedError(LLMWrapError):
    """Report that a performance target or a baseline is broken."""

    exit_status = 13
    kind = "target_missed"


class DeadlineError(LLMWrapError):
    """Report that one of the time-outs passed."""

    exit_status = 124
    kind = "timeout"


class CancelledError(LLMWrapError):
    """Report that an answer was cancelled from another thread."""

    exit_status = 130
    kind = "interrupted"


def name_server(error: LLMWrapError, where: str) -> None:
    """Let an error that came from below say which server it is about.

    What is raised where bytes are read knows no server; `where` is its name and its
    address. One that names it already, or is about nobody, stays as it is. The name is
    what counts: LM Studio's own API has another address.
    """
    name, is_at, _ = where.partition(" at ")
    if isinstance(error, _OF_SERVERS) and name + is_at not in error.message:
        error.message = f"{where}: {error.message}"


_OF_SERVERS = (
    UnreachableError,
    RefusedError,
    BackendFailedError,
    ProtocolError,
    IncompleteError,
    LimitError,
    DeadlineError,
)


class Interrupted(KeyboardInterrupt):
    """Report that a signal asked the program to end.

    `signum` is the signal; `exit_status` is 128 + `signum`, as shells count it.
    """

    kind = "interrupted"

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by signal {signum}")
        self.signum = signum

    @property
    def exit_status(self) -> int:
        """Return the status a shell reports for a process that died of the signal."""
        return 128 + self.signum
