"""What the engine needs of a backend, and the values they exchange.

A backend translates: `Request` to its server's words, the server's words to `Chunk`.
It never retries, keeps no clock and writes to nobody. Packages outside add backends
by the entry-point group `llmwrap.backends`: the name is the `backend_type` of the
configuration, the value is called with `BackendSettings` and returns a `Backend`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, Self

from ..errors import UsageError
from ..messages import Chunk, Json, Request

TYPE_CHECKING = False  # a hit in the cache needs the settings, and no sockets
if TYPE_CHECKING:
    from ..transport.cancel import CancelToken

ENTRY_POINT_GROUP = "llmwrap.backends"
OWN = (
    "api_key",
    "api_key_header",
    "user",
    "password",
    "headers",
    "query",
    "certificate",
)
"""The settings of a backend that are the user's own, and go with each request."""


class ClientCertificate(NamedTuple):
    """Who we are to a server: a PEM file, its key if that is another, and a digest."""

    path: str
    key_path: str | None
    digest: str


class BackendSettings(NamedTuple):
    """How to reach one backend: configuration, options and defaults put together.

    `name` is the user's name for it, `kind` what speaks to it. `silence_s` is the
    longest silence of the socket, a net below the engine's own time-outs. `secrets`
    are texts of what is sent that nobody may see.
    `is_reused` False says that only one question will be asked. `environ` is for
    backends that keep files of their own.
    """

    name: str
    kind: str
    base_url: str
    environ: Mapping[str, str]
    api_key: str | None = None
    connect_timeout_s: float = 5.0
    silence_s: float = 300.0
    proxy: str | None = None
    ca_bundle: str | None = None
    ca_directory: str | None = None
    api_key_header: str | None = None
    user: str | None = None
    password: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    certificate: ClientCertificate | None = None
    secrets: tuple[str, ...] = ()
    line_limit_bytes: int = 16 << 20
    body_limit_bytes: int = 64 << 20
    pool_size: int = 10
    is_reused: bool = True

    @property
    def own(self) -> tuple[str, ...]:
        """Return what of the user's own goes with each request.

        An answer to it is for nobody who has other things to send: see owner.py of
        the cache. Each setting that is sent and may differ between users belongs into
        `OWN`, a file by what it holds.
        """
        return tuple(
            f"{name}={value}" for name in OWN if (value := getattr(self, name))
        )

    def without_own(self) -> Self:
        """Return the same with nothing of the user's own, for whom nobody named."""
        return self._replace(
            api_key=None,
            api_key_header=None,
            user=None,
            password=None,
            headers=(),
            query=(),
            certificate=None,
        )

    def __repr__(self) -> str:
        # Never the key: a repr ends up in logs and tracebacks.
        return f"BackendSettings({self.name!r}, {self.kind!r}, {self.base_url!r})"


class WireRequest(NamedTuple):
    """A request as it goes out, for `--dry-run`; secrets in it are masked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Json]


class Model(NamedTuple):
    """A model that a backend offers; None and empty where the server does not say.

    `context_tokens` is the context length that holds, `trained_tokens` the longest that
    the model was made for, `aliases` what else it answers to.
    `is_embedding` tells that it only embeds; `remote` is where it runs, if not there.
    """

    name: str
    is_loaded: bool | None = None
    size_bytes: int | None = None
    modified: str | None = None
    digest: str | None = None
    family: str | None = None
    parameters: str | None = None
    quantization: str | None = None
    context_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    trained_tokens: int | None = None
    is_embedding: bool = False
    remote: str | None = None


def chattable(models: Iterable[Model]) -> list[Model]:
    """Return what may be taken unasked, what is loaded first.

    Never a model that only embeds, nor one that runs elsewhere: the prompt would leave
    the machine.
    """
    fit = [m for m in models if not (m.is_embedding or m.remote)]
    return sorted(fit, key=lambda model: not model.is_loaded)


class Progress(NamedTuple):
    """How far a download is; `total_bytes` is None while unknown."""

    label: str
    done_bytes: int = 0
    total_bytes: int | None = None


class Backend(Protocol):
    """A server, or a thing like one, that answers chats.

    Derive from it: `chat` and `models` must be written, the rest has defaults. Any
    thread may call any method.
    """

    name: str
    kind: str
    address: str
    """Where it answers, for messages."""
    context_option: str = ""
    """The option that sets the context length, empty where a request cannot."""
    may_cut_prompt: bool = False
    """Whether the server may cut a prompt that is too long without saying so."""
    can_warm: bool = False
    """Whether it can load a model before it is asked."""
    note: str = ""
    """What is to be said, once, of how it is reached."""
    has_digests: bool = False
    """Whether the server names the digests of its models."""

    @property
    def place(self) -> str:
        """Return what tells its answers from those of others of its kind.

        The cache gives no answer of one place for another. The address, or the name
        of the table where there is none.
        """
        return self.address or self.name

    def chat(self, request: Request, cancel: "CancelToken") -> Iterator[Chunk]:
        """Yield the answer as it comes; the chunk with a finish reason ends it.

        Raises: the errors of errors.py, with what came before already yielded.
        """
        ...

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return what the backend offers, its own order kept."""
        ...

    def default_model(self, *, timeout_s: float) -> str | None:
        """Return the model to take when none is named, None when there is none."""
        fit = chattable(self.models(timeout_s=timeout_s))
        return fit[0].name if fit else None

    def odd_entries(self) -> list[str]:
        """Return, once, what could not be read of the last list, as warnings."""
        return []

    def check_access(self, name: str, *, timeout_s: float) -> None:
        """Raise what a question would meet before it reaches a model.

        Nothing is loaded for it. Raises: RefusedError for a wrong key, an unknown
        model.
        """
        return  # explicit, or mypy takes the method for abstract

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return all that the backend tells of one model, under its own names.

        Raises: RefusedError when it does not know the model.
        """
        from ..errors import RefusedError

        for model in self.models(timeout_s=timeout_s):
            if model.name == name:
                return dict(model._asdict())
        raise RefusedError(
            f"model '{name}' not found on {self.name}", trouble="model", about=name
        )

    def version(self, *, timeout_s: float) -> str | None:
        """Return the server's version; also the cheapest sign that it is up."""
        self.models(timeout_s=timeout_s)
        return None

    def context_limit(self, name: str, *, timeout_s: float) -> int | None:
        """Return the longest context a model can take, None when nobody says."""
        return None

    def digest(self, name: str, *, timeout_s: float) -> str | None:
        """Return what tells the weights of a model from others of its name.

        None when the server does not say; asked only where `has_digests` is set.
        """
        return None

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `chat` would send."""
        raise UsageError(f"--dry-run is not offered by the {self.kind} backend")

    def unknown_options(self, request: Request) -> list[str]:
        """Return the options of a request that it is not known to have.

        They are sent, and the user is told.
        """
        return []

    def slots(self, *, timeout_s: float) -> int | None:
        """Return how many questions it answers at once, None when it does not say."""
        return None

    def pull(self, name: str, cancel: "CancelToken") -> Iterator[Progress]:
        """Fetch a model, yielding how far it is."""
        raise UsageError(
            f"the {self.kind} backend cannot pull models",
            hint="Ollama can: llmwrap models pull -b ollama MODEL",
        )

    def warm(self, request: Request, cancel: "CancelToken") -> None:
        """Load the model of a request, as that request would have it.

        So that the next question need not wait for it; the request has no messages.
        """
        raise UsageError(f"the {self.kind} backend cannot load models ahead")

    def remove(self, name: str, *, timeout_s: float) -> None:
        """Remove a model for good, by the very name that `models` has for it."""
        raise UsageError(
            f"the {self.kind} backend cannot remove models",
            hint="Ollama and the embedded backend can",
        )

    def count_tokens(self, text: str, model: str, *, timeout_s: float) -> int | None:
        """Return how many tokens a text is, None where the server does not count."""
        return None

    def close(self) -> None:
        """Close what is open; the backend is not used again."""
        return  # explicit, or mypy takes the method for abstract


BackendFactory = Callable[[BackendSettings], Backend]
