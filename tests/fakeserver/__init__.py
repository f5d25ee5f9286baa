"""Run a scripted HTTP server that speaks for local LLM servers, and breaks on demand.

Three ways to use it. As a server with nothing wrong:

    with FakeServer(models=("alpha:latest", "beta:7b")) as server:
        server.answer = ["Hi", " there"]
        ...                                    # talk to server.url
        assert server.requests[0].json["model"] == "alpha"

With replies made of steps; the n-th request of a path gets the n-th script:

    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", json_error(503, {"error": "busy"}), times=2)
    server.script("/api/chat", ollama_reply(["some", " text"], done_reason="length"))
    server.script("/api/chat", spoken(speech, ["a", "b"]), WaitFor(gate), Reset())

With the catalogue of everything that can go wrong, by dialect:

    url = FAULTS["openai-reset_inside_chunk"].arm(server, ["some", " text"])

No thread and no socket is left when the server is closed, even when a client hangs.

The modules, each built on those before it: `wire` (bytes), `received` (what came),
`link` (one reply on one socket), `steps`, `speech` and its kinds, `stage`, the APIs,
`replies`, `scripts`, `reader`, `ports`, `server`; beside them `faults`, `recordings`,
and `rawclient` and `decoding` for the tests of the server itself.
"""

from .faults import FAULTS, TOKENS, Fault
from .faults.kinds import ended, spoken
from .faults.text import HOSTILE_NAMES, SEPARATORS, TERMINAL_SEQUENCES
from .link import HangUp, Link, PeerGone
from .llamacpp_speech import LlamaCppSpeech
from .ollama_api import pull_reply
from .ollama_speech import OllamaSpeech
from .openai_speech import OllamaV1Speech
from .ports import BlackHole, RefusedPort
from .received import ReceivedRequest
from .recordings import Recording, load_recordings, recordings_directory
from .replies import (
    json_error,
    json_reply,
    ollama_reply,
    openai_reply,
    redirect,
    whole_ollama_reply,
    whole_openai_reply,
)
from .scripts import FOREVER
from .server import DEFAULT_ANSWER, FakeServer
from .speech import Answer, Pace, Usage, whole_reply
from .steps import (
    Body,
    Bytewise,
    Close,
    EndBody,
    Head,
    Over,
    Pause,
    Raw,
    Repeat,
    Reply,
    Reset,
    Respond,
    Silence,
    Step,
    Tell,
    Together,
    Trailers,
    Verbatim,
    WaitFor,
    WaitForBytes,
)

__all__ = [
    "DEFAULT_ANSWER",
    "FAULTS",
    "FOREVER",
    "HOSTILE_NAMES",
    "SEPARATORS",
    "TERMINAL_SEQUENCES",
    "TOKENS",
    "Answer",
    "BlackHole",
    "Body",
    "Bytewise",
    "Close",
    "EndBody",
    "FakeServer",
    "Fault",
    "HangUp",
    "Head",
    "Link",
    "LlamaCppSpeech",
    "OllamaSpeech",
    "OllamaV1Speech",
    "Over",
    "Pace",
    "Pause",
    "PeerGone",
    "Raw",
    "ReceivedRequest",
    "Recording",
    "RefusedPort",
    "Repeat",
    "Reply",
    "Reset",
    "Respond",
    "Silence",
    "Step",
    "Tell",
    "Together",
    "Trailers",
    "Usage",
    "Verbatim",
    "WaitFor",
    "WaitForBytes",
    "ended",
    "json_error",
    "json_reply",
    "load_recordings",
    "ollama_reply",
    "openai_reply",
    "pull_reply",
    "recordings_directory",
    "redirect",
    "spoken",
    "whole_ollama_reply",
    "whole_openai_reply",
    "whole_reply",
]
