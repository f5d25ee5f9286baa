"""The configuration as frozen values, numbers in base units.

A value class has its fields in the order of its keys in `schema.py`, which says what
each means; a field differs in name from its key only to carry the unit. Nothing here
has a default: those stand in `schema.py`.

NamedTuple and not frozen dataclasses: a class costs 0.12 ms to create instead of
0.89, and `dataclasses` itself 6 ms to import, on the way of every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .addresses import mask_secrets
from .schema import FIRST_TOKEN_TIMEOUT_S, IDLE_TIMEOUT_S

if TYPE_CHECKING:  # the twelve classes of messages cost 1.5 ms
    from ..messages import Json


class Secret:
    """Hold an API key so that no repr, message or log line shows it by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take the key, less one final newline.

        Raises: ValueError, without the key in it, for one that cannot stand in an
        HTTP header: empty, not ASCII, blanks or control characters.
        """
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise ValueError("the key is empty")
        if not (text.isascii() and text.isprintable() and " " not in text):
            raise ValueError("the key holds a blank or another unprintable character")
        self._text = text

    def reveal(self) -> str:
        """Return the key, for the header of a request and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class DefaultsConfig(NamedTuple):
    """What is asked when the command line does not say; `[defaults]`.

    `model` counts only together with the backend that the file chooses.
    """

    backend: str | None
    model: str | None
    system: str | None
    options: Mapping[str, Json]


class LimitsConfig(NamedTuple):
    """The sizes beyond which one gives up with status 9; `[limits]`."""

    line_bytes: int
    body_bytes: int
    answer_bytes: int
    prompt_bytes: int


class BackendConfig(NamedTuple):
    """One server; `[backends.NAME]`, or a built-in one without a table.

    `kind` is `ollama`, `lmstudio`, `openai`, `embedded` or the name of an entry
    point as it was written. `base_url` None leaves the address to the kind and to
    the variables its owner defined (`OLLAMA_HOST`, `OPENAI_BASE_URL`). `explicit`
    holds the keys that the file or a variable set.
    """

    name: str
    kind: str
    base_url: str | None
    timeout_s: float | None
    connect_timeout_s: float
    retry_attempts: int
    api_key_env: str | None
    api_key_file: str | None
    proxy: str | None
    ca_bundle: str | None
    explicit: frozenset[str] = frozenset()

    @property
    def first_token_timeout_s(self) -> float:
        """Return the longest silence before the first token."""
        return FIRST_TOKEN_TIMEOUT_S if self.timeout_s is None else self.timeout_s

    @property
    def idle_timeout_s(self) -> float:
        """Return the longest silence between two pieces of the answer."""
        return IDLE_TIMEOUT_S if self.timeout_s is None else self.timeout_s

    def __repr__(self) -> str:
        # The address of a proxy may hold a password.
        shown = self
        if self.proxy is not None and mask_secrets(self.proxy) != self.proxy:
            shown = self._replace(proxy=mask_secrets(self.proxy))
        pairs = zip(shown._fields, shown, strict=True)
        return f"BackendConfig({', '.join(f'{n}={v!r}' for n, v in pairs)})"


class StreamingConfig(NamedTuple):
    """How answers are streamed; `[streaming]`."""

    max_concurrent_streams: int
    buffer_chunks: int
    total_timeout_s: float


class CacheConfig(NamedTuple):
    """The response cache; `[cache]`. `ttl_s` None keeps answers for ever."""

    enabled: bool
    max_memory_entries: int
    ttl_s: float | None
    enable_persistence: bool
    memory_pressure_ratio: float
    max_disk_bytes: int
    path: str
    sync: bool


class TemplatesConfig(NamedTuple):
    """The template library; `[templates]`."""

    template_dir: str | None
    auto_reload: bool


class UIConfig(NamedTuple):
    """The chat on a terminal; `[ui]`.

    Which themes exist, and which actions `keys` may name, is known where they are
    drawn and done; whoever finds one that is not answers `Config.bad_value`.
    """

    theme: str
    syntax_highlighting: bool
    auto_scroll: bool
    high_contrast: bool
    models: tuple[str, ...]
    keys: Mapping[str, str]
    plain: bool
    compact: str


class LoggingConfig(NamedTuple):
    """The log; `[logging]`. `output` is `stderr`, `stdout` or an absolute path."""

    level: str
    format: str
    output: str


class HistoryConfig(NamedTuple):
    """What is kept of conversations; `[history]`."""

    enabled: bool
    ask: bool
