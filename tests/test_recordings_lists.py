"""Lists and pulls of real servers, played back to the backends."""

from __future__ import annotations

import pytest

from llmwrap.backends import create_backend
from llmwrap.backends.base import Backend, BackendSettings
from llmwrap.errors import BackendFailedError, RefusedError
from llmwrap.transport.cancel import CancelToken

from .fakeserver import FakeServer, load_recordings, recordings_directory
from .fakeserver.recordings import VARIABLE

_DIRECTORY = recordings_directory()
_RECORDINGS = load_recordings(_DIRECTORY) if _DIRECTORY else {}
_S = 5.0

pytestmark = pytest.mark.skipif(
    not _RECORDINGS, reason=f"{VARIABLE} names no directory of recordings"
)


def _backend(server: FakeServer, kind: str = "ollama") -> Backend:
    url = server.url if kind == "ollama" else f"{server.url}/v1"
    return create_backend(BackendSettings("b", kind, url, {}))


def _play(server: FakeServer, path: str, name: str) -> None:
    server.script(path, _RECORDINGS[name].reply(), times=None)


def test_ollamas_lists_are_read(server: FakeServer) -> None:
    _play(server, "/api/tags", "ollama_08_tags")
    _play(server, "/api/ps", "ollama_28c_ps_forever")
    _play(server, "/api/version", "ollama_02_version")
    _play(server, "/api/show", "ollama_10_show")
    backend = _backend(server)

    (model,) = backend.models(timeout_s=_S)

    assert (model.name, model.is_loaded) == ("smollm2:latest", True)
    assert (model.size_bytes, model.context_tokens) == (98362745, 4096)
    assert (model.family, model.parameters) == ("llama", "134.52M")
    assert (model.quantization, model.capabilities) == ("Q4_1", ("completion",))
    assert backend.default_model(timeout_s=_S) == "smollm2:latest"
    assert backend.version(timeout_s=_S) == "0.0.0"
    assert "model_info" in backend.model("smollm2", timeout_s=_S)


def test_an_ollama_without_models_has_none(server: FakeServer) -> None:
    _play(server, "/api/tags", "ollama_03_tags_empty")
    _play(server, "/api/ps", "ollama_05_ps_empty")
    _play(server, "/api/show", "ollama_06b_show_missing_model")
    backend = _backend(server)

    assert backend.models(timeout_s=_S) == []
    assert backend.default_model(timeout_s=_S) is None
    with pytest.raises(RefusedError, match="model 'x' not found"):
        backend.model("x", timeout_s=_S)


@pytest.mark.parametrize(
    ("name", "loaded"),
    [
        ("02_v1_models", {"gemma3-270m.gguf": None}),
        ("ollama_04_v1_models_empty", {}),
        ("ollama_09_v1_models", {"smollm2:latest": None}),
        ("90_router_models", {"broken": False, "tiny-a": False, "tiny-b": False}),
        ("94_router_models_after", {"broken": False, "tiny-a": True, "tiny-b": False}),
    ],
)
def test_lists_of_v1_are_read(
    server: FakeServer, name: str, loaded: dict[str, bool | None]
) -> None:
    _play(server, "/v1/models", name)

    models = _backend(server, "openai").models(timeout_s=_S)

    assert {model.name: model.is_loaded for model in models} == loaded


def test_a_routers_loaded_model_is_the_default(server: FakeServer) -> None:
    _play(server, "/v1/models", "94_router_models_after")

    assert _backend(server, "openai").default_model(timeout_s=_S) == "tiny-a"


@pytest.mark.parametrize("name", ["ollama_07d_pull_stream", "ollama_07e_pull_again"])
def test_a_pull_ends_with_all_bytes_there(server: FakeServer, name: str) -> None:
    _play(server, "/api/pull", name)

    steps = list(_backend(server).pull("smollm2", CancelToken()))

    done = [step.done_bytes for step in steps]
    assert [step.label for step in steps][-3:-1] == [
        "verifying sha256 digest",
        "writing manifest",
    ]
    assert done == sorted(done)
    assert steps[-1] == ("success", steps[-1].total_bytes, steps[-1].total_bytes)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("ollama_07f_pull_missing_manifest", RefusedError),
        ("ollama_07_pull_missing_stream", BackendFailedError),
    ],
)
def test_a_pull_that_fails_says_so(
    server: FakeServer, name: str, error: type[Exception]
) -> None:
    _play(server, "/api/pull", name)

    with pytest.raises(error):
        list(_backend(server).pull("nosuch", CancelToken()))
