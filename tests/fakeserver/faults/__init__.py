"""Name every way in which the fake server can break, for each dialect.

`FAULTS["ollama-reset_between_chunks"]` is a `Fault`: call it with the tokens to send
before it strikes and get the reply, or let it arm a server. Tests parametrize over
`FAULTS` or over a part of it:

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=str)
    def test_every_fault_ends(fault: Fault) -> None:
        with FakeServer() as server:
            url = fault.arm(server, ["Hel", "lo"])
            ...

What the kinds are is in the modules `connection`, `framing`, `heads`, `arrival`,
`coding`, `stream`, `status`, `payload`, `events` and `text`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from ..llamacpp_speech import LlamaCppSpeech
from ..ollama_speech import OllamaSpeech
from ..speech import Dialect, Speech
from ..steps import Reply, Step
from .arrival import ARRIVAL_KINDS
from .coding import CODING_KINDS
from .connection import CONNECTION_KINDS
from .events import EVENT_KINDS
from .framing import FRAMING_KINDS
from .heads import HEAD_KINDS
from .kinds import Kind, Outcome, Place
from .payload import PAYLOAD_KINDS
from .status import STATUS_KINDS
from .stream import STREAM_KINDS
from .text import TEXT_KINDS

TOKENS = ("one", " two", " three")

KINDS: tuple[Kind, ...] = (
    *CONNECTION_KINDS,
    *FRAMING_KINDS,
    *HEAD_KINDS,
    *ARRIVAL_KINDS,
    *CODING_KINDS,
    *STREAM_KINDS,
    *STATUS_KINDS,
    *PAYLOAD_KINDS,
    *EVENT_KINDS,
    *TEXT_KINDS,
)


class Armable(Protocol):
    """Show a fault what it needs of a server."""

    @property
    def url(self) -> str:
        """Return the base URL."""

    def script(
        self, path: str | None, *parts: Step | Iterable[Step], times: int | None
    ) -> None:
        """Queue a reply."""

    def script_connection(
        self, *parts: Step | Iterable[Step], times: int | None
    ) -> None:
        """Queue steps for a connection."""

    def refused_url(self) -> str:
        """Return a URL nobody listens on."""

    def black_hole_url(self) -> str:
        """Return a URL that never answers a connect."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Break in one way in one dialect. A value: safe to share."""

    kind: Kind
    speech: Speech

    def __str__(self) -> str:
        """Return its name in the catalogue."""
        return f"{self.dialect}-{self.kind.name}"

    def __call__(self, tokens: Sequence[str] = TOKENS) -> Reply:
        """Return the reply that says `tokens` and then breaks.

        A fault of an address has no reply: empty. A fault of a connection gives the
        steps for `script_connection`.
        """
        return self.kind.build(self.speech, tokens)

    @property
    def dialect(self) -> Dialect:
        """Return `ollama` or `openai`."""
        return self.speech.dialect

    @property
    def outcome(self) -> Outcome:
        """Return what a user must see of it; see `kinds.Outcome`."""
        return self.kind.outcome

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return all that is right: one outcome, or two where both are."""
        kind = self.kind
        return (kind.outcome, kind.also) if kind.also else (kind.outcome,)

    @property
    def place(self) -> Place:
        """Return where it strikes: "reply", "connection" or "address"."""
        return self.kind.place

    @property
    def path(self) -> str:
        """Return the path whose requests it strikes."""
        return self.speech.list_path if self.kind.is_listing else self.speech.chat_path

    def kept(self, tokens: Sequence[str] = TOKENS) -> str:
        """Return the text that one struck reply gives to a client before the end."""
        return self.kind.kept(tokens)

    def arm(
        self,
        server: Armable,
        tokens: Sequence[str] = TOKENS,
        times: int | None = None,
    ) -> str:
        """Make `server` break this way and return the base URL to ask.

        It strikes the next `times` requests (or connections); None means as many as
        the kind says, which is all unless its name says how often.
        """
        count = self.kind.strikes if times is None else times
        if self.place == "reply":
            server.script(self.path, self(tokens), times=count)
        elif self.place == "connection":
            server.script_connection(self(tokens), times=count)
        elif self.kind.name == "refused":
            return server.refused_url()
        else:
            return server.black_hole_url()
        return server.url


def catalogue(speeches: Iterable[Speech]) -> Mapping[str, Fault]:
    """Return all faults of these speeches by name."""
    faults = [
        Fault(kind, speech)
        for speech in speeches
        for kind in KINDS
        if speech.dialect in kind.dialects
    ]
    return MappingProxyType({str(fault): fault for fault in faults})


FAULTS = catalogue((OllamaSpeech(), LlamaCppSpeech()))
