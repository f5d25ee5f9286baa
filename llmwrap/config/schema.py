"""The one table of all settings: section, key, kind, default, meaning.

Defaults stand here and nowhere else, in their written form ("1h", "16MiB"), so that
`config init`, the manual page and the program cannot differ. The order is that of the
fields of the classes below, the settings as frozen values with numbers in base units.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

from ..messages import Json
from . import kinds
from .addresses import mask_secrets
from .kinds import Kind

FIRST_TOKEN_TIMEOUT_S = 300.0
"""The longest silence before the first token, where no `timeout` is set."""

IDLE_TIMEOUT_S = 120.0
"""The longest silence between two pieces of an answer, where no `timeout` is set."""

FIRST_RETRY_S = 0.5
"""The wait before the first retry, where `--retry-delay` says nothing."""

BUILT_IN_BASE_URLS: Mapping[str, str] = MappingProxyType(
    {
        "ollama": "http://127.0.0.1:11434",
        "lmstudio": "http://127.0.0.1:1234/v1",
    }
)
"""Where the built-in kinds are asked when nothing says otherwise."""

BACKENDS = "backends"
ALIASES = "aliases"
NAMED = (BACKENDS, ALIASES)
"""The sections whose tables have names of their own."""


class Key(NamedTuple):
    """One setting of a section.

    `default` is what the file could say for it, None for "not set"; `example` stands
    in the sample then. `alias` is another name that the file may use.
    """

    name: str
    kind: Kind
    default: object
    doc: str
    example: object = None
    alias: str = ""


EMPTY: Mapping[str, object] = MappingProxyType({})
EMPTY_TABLE: Mapping[str, str | Mapping[str, str]] = MappingProxyType({})

_DEFAULTS = (
    Key("backend", kinds.NAME, None, "a [backends.NAME] or a built-in one", "ollama"),
    Key(
        "model",
        kinds.NAME,
        None,
        "the model to ask, if this file chooses the backend",
        "llama3.2",
    ),
    Key(
        "system",
        kinds.SYSTEM,
        None,
        "the system prompt; @FILE reads a file",
        "Answer briefly.",
    ),
    Key("options", kinds.JSON_TABLE, EMPTY, "options of the backend, as with -o"),
)

_ALIAS_KEYS = (
    Key("model", kinds.NAME, None, "the model that is meant, or BACKEND/M", "qwen3:4b"),
    Key("options", kinds.JSON_TABLE, EMPTY, "its options, over those of [defaults]"),
    Key("system", kinds.SYSTEM, None, "its system prompt", "Think twice."),
)

_LIMITS = (
    Key("line", kinds.SIZE, "16MiB", "one line of a stream"),
    Key("body", kinds.SIZE, "64MiB", "a reply that is no stream"),
    Key("answer", kinds.SIZE, "8MiB", "the text of one answer"),
    Key("prompt", kinds.SIZE, "8MiB", "a prompt with its files and its stdin"),
)

BACKEND_KEYS = (
    Key(
        "backend_type",
        kinds.BACKEND_KIND,
        None,
        "Ollama, LMStudio, OpenAI, Embedded or an entry point; else as NAME says",
        "Ollama",
    ),
    Key(
        "base_url",
        kinds.BASE_URL,
        None,
        "the address; with the /v1 part for OpenAI and LMStudio",
        BUILT_IN_BASE_URLS["ollama"],
    ),
    Key(
        "timeout",
        kinds.DURATION,
        None,
        "longest silence; else 300s to the first token, then 120s",
        "300s",
    ),
    Key("connect_timeout", kinds.DURATION, "5s", "longest time to connect"),
    Key("retry_attempts", kinds.RETRIES, 2, "retries after the first attempt"),
    Key(
        "api_key_env",
        kinds.VARIABLE,
        None,
        "the variable that holds the API key",
        "OLLAMA_API_KEY",
    ),
    Key(
        "api_key_file",
        kinds.PATH,
        None,
        "the file (mode 0600) that holds the API key",
        "ollama.key",
    ),
    Key(
        "api_key_header",
        kinds.HEADER_NAME,
        None,
        "the header that holds the API key, instead of Authorization",
        "X-Api-Key",
    ),
    Key("user", kinds.USER, None, "the user's name for HTTP Basic", "me"),
    Key(
        "password_env",
        kinds.VARIABLE,
        None,
        "the variable that holds its password",
        "OLLAMA_PASSWORD",
    ),
    Key(
        "password_file",
        kinds.PATH,
        None,
        "the file (mode 0600) that holds its password",
        "ollama.password",
    ),
    Key(
        "headers",
        kinds.HEADERS,
        EMPTY,
        'more headers; a secret one as { env = "NAME" } or { file = "PATH" }',
    ),
    Key("query", kinds.QUERY, EMPTY, "what stands behind the '?', as headers do"),
    Key(
        "client_certificate",
        kinds.PATH,
        None,
        "the certificate (PEM) that says who is asking",
        "client.pem",
    ),
    Key(
        "client_key", kinds.PATH, None, "its key, if it is a file of its own", "key.pem"
    ),
    Key(
        "proxy",
        kinds.PROXY,
        None,
        "the proxy on the way; HTTP_PROXY is not used",
        "http://proxy.example:3128",
    ),
    Key(
        "ca_bundle",
        kinds.PATH,
        None,
        "certificates to trust instead of the usual ones",
        "ca.pem",
    ),
)

_STREAMING = (
    Key("max_concurrent_streams", kinds.STREAMS, 10, "answers streamed at once"),
    Key("buffer_size", kinds.BUFFER, 8192, "chunks held back for a slow reader"),
    Key("total_timeout", kinds.DURATION, "30m", "longest time for a whole command"),
)

_CACHE = (
    Key("enabled", kinds.BOOLEAN, True, "answer from the cache"),
    Key("max_memory_entries", kinds.ENTRIES, 1000, "answers held in memory"),
    Key("ttl", kinds.LIFETIME, "1h", "how long an answer counts; 0 is for ever"),
    Key(
        "enable_persistence",
        kinds.BOOLEAN,
        True,
        "keep answers on disk; cache_persistence is the same",
        alias="cache_persistence",
    ),
    Key(
        "memory_pressure_threshold",
        kinds.RATIO,
        0.8,
        "part of the machine's memory in use at which entries go",
    ),
    Key("max_disk_bytes", kinds.SIZE, "1GiB", "size of the cache on disk"),
    Key(
        "path",
        kinds.PATH,
        None,
        "its directory; else llmwrap in $XDG_CACHE_HOME",
        "~/.cache/llmwrap",
    ),
    Key("sync", kinds.BOOLEAN, True, "wait until an entry is safe on disk"),
)

_TEMPLATES = (
    Key(
        "template_dir",
        kinds.PATH,
        None,
        "the project's templates, before the user's and the built-in ones",
        "templates",
    ),
    Key("auto_reload", kinds.BOOLEAN, True, "read a template again when it changed"),
)

_UI = (
    Key(
        "theme",
        kinds.NAME,
        "default",
        "the colours on a terminal: default, dark, light or high-contrast",
    ),
    Key("syntax_highlighting", kinds.BOOLEAN, True, "colour code in answers"),
    Key("auto_scroll", kinds.BOOLEAN, True, "follow an answer as it grows (F5)"),
    Key("high_contrast", kinds.BOOLEAN, False, "stronger colours (F6)"),
    Key("models", kinds.FOUR_NAMES, (), "the models of the keys F1 to F4"),
    Key(
        "keys",
        kinds.NAME_TABLE,
        EMPTY,
        'keys of one\'s own, by action: { help = "f9, c-g" }',
    ),
    Key(
        "plain",
        kinds.BOOLEAN,
        False,
        "nothing drawn over, coloured or animated, for screen readers",
    ),
    Key(
        "compact",
        kinds.COMPACT,
        "ask",
        "summarise older turns when the context is full",
    ),
)

_LOGGING = (
    Key("level", kinds.LOG_LEVEL, "warning", "debug, info, warning or error"),
    Key("format", kinds.LOG_FORMAT, "text", "text or json"),
    Key(
        "output",
        kinds.LOG_OUTPUT,
        "stderr",
        "stderr, stdout (where it carries no data) or a file",
    ),
)

_HISTORY = (
    Key("enabled", kinds.BOOLEAN, True, "keep conversations"),
    Key("ask", kinds.BOOLEAN, False, "keep every ask, not only those on a terminal"),
)

SECTIONS: Mapping[str, tuple[Key, ...]] = MappingProxyType(
    {
        "defaults": _DEFAULTS,
        "limits": _LIMITS,
        BACKENDS: BACKEND_KEYS,
        ALIASES: _ALIAS_KEYS,
        "streaming": _STREAMING,
        "cache": _CACHE,
        "templates": _TEMPLATES,
        "ui": _UI,
        "logging": _LOGGING,
        "history": _HISTORY,
    }
)
"""The keys of each section; of `NAMED` ones those of each of its tables."""


class Secret:
    """Hold an API key so that no repr, message or log line shows it by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take the key, less white space at its ends.

        Raises: ValueError, without the key in it, for one that cannot stand in an
        HTTP header: empty, not ASCII, blanks or control characters.
        """
        text = text.strip()
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


class AliasConfig(NamedTuple):
    """Another name of a model, with what goes with it; `[aliases]`."""

    name: str
    model: str
    options: Mapping[str, Json]
    system: str | None


EMPTY_ALIASES: Mapping[str, AliasConfig] = MappingProxyType({})


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
    api_key_header: str | None
    user: str | None
    password_env: str | None
    password_file: str | None
    headers: Mapping[str, str | Mapping[str, str]]
    query: Mapping[str, str | Mapping[str, str]]
    client_certificate: str | None
    client_key: str | None
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

    def elsewhere(self) -> Self:
        """Return what holds at another address too: kind, time-outs and certificates.

        Whatever else a table has belongs to its address and goes nowhere else.
        """
        return self._replace(
            base_url=None,
            api_key_env=None,
            api_key_file=None,
            api_key_header=None,
            user=None,
            password_env=None,
            password_file=None,
            headers=EMPTY_TABLE,
            query=EMPTY_TABLE,
            client_certificate=None,
            client_key=None,
            proxy=None,
            explicit=frozenset(),
        )

    def __repr__(self) -> str:
        # The address of a proxy may hold a password, headers and query a secret.
        shown = self._replace(
            headers=dict.fromkeys(self.headers or (), "***"),
            query=dict.fromkeys(self.query or (), "***"),
        )
        if self.proxy is not None and mask_secrets(self.proxy) != self.proxy:
            shown = shown._replace(proxy=mask_secrets(self.proxy))
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
