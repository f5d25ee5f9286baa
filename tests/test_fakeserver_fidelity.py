"""Compare what the fake server says by default with what real servers said.

The recordings are not part of the repository: without LLMWRAP_TEST_TRANSCRIPTS these
tests are skipped.
"""

import json
from collections.abc import Mapping

import pytest

from tests.fakeserver import (
    FakeServer,
    Recording,
    load_recordings,
    recordings_directory,
)
from tests.fakeserver.decoding import objects
from tests.fakeserver.rawclient import exchange
from tests.fakeserver.recordings import VARIABLE
from tests.fakeserver.speech import Dialect

_DIRECTORY = recordings_directory()
_RECORDINGS = load_recordings(_DIRECTORY) if _DIRECTORY else {}

pytestmark = pytest.mark.skipif(
    not _RECORDINGS, reason=f"{VARIABLE} names no directory of recordings"
)


def shape(value: object) -> object:
    """Return the names and types of a JSON value, lists by their first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


OLLAMA_WHOLE: tuple[str, ...] = (
    "ollama_02_version",
    "ollama_03_tags_empty",
    "ollama_05_ps_empty",
    "ollama_06_chat_missing_model",
    "ollama_06b_show_missing_model",
    "ollama_08_tags",
    "ollama_11_load",
    "ollama_12_ps",
    "ollama_13_chat_nonstream",
    "ollama_21_think_true",
    "ollama_24_empty_body",
    "ollama_24c_no_model",
    "ollama_34d_think_nonstream",
    "ollama_04_v1_models_empty",
    "ollama_09_v1_models",
    "ollama_34g_v1_think_nonstream",
    "ollama_50_v1_chat_nonstream",
    "ollama_52_v1_missing_model",
    "ollama_52c_v1_no_messages",
    "ollama_52d_v1_model_show",
)
LLAMACPP_WHOLE: tuple[str, ...] = (
    "02_v1_models",
    "10_chat_nonstream",
    "26_reasoning_nonstream",
    "31_err_missing_messages",
    "32_err_wrong_path",
    "91_router_bad_model",
)
EXACT: tuple[str, ...] = (
    "ollama_01_root",
    "ollama_25_unknown_path",
    "ollama_25b_wrong_method",
    "ollama_42_head_version",
    "ollama_42b_head_root",
    "ollama_06_chat_missing_model",
)
OLLAMA_STREAMS: Mapping[str, Dialect] = {
    "ollama_14_chat_stream_rawchunks": "ollama",
    "ollama_34_think_stream": "ollama",
    "ollama_51_v1_chat_stream_usage": "openai",
    "ollama_51b_v1_chat_stream": "openai",
    "ollama_34e_v1_think_stream": "openai",
}
LLAMACPP_STREAMS: Mapping[str, Dialect] = {
    "11_chat_stream_usage_rawchunks": "openai",
    "12_chat_stream_nousage": "openai",
    "25_reasoning_stream": "openai",
}


def fake_of(name: str) -> FakeServer:
    """Return a server that is set as the real one of a recording was."""
    if not name.startswith("ollama"):
        # llama.cpp takes any model, or none; the fake has the one that was asked for.
        server = FakeServer(("any-name", "x"), ("openai",), "llamacpp")
    else:
        models = () if "empty" in name else ("smollm2:latest", "thinker:latest")
        server = FakeServer(models, ("ollama", "openai"), "ollama")
    if "think" in name or "reasoning" in name:
        server.thinking = () if name == "ollama_21_think_true" else ("hm", "m")
    if "_ps" in name:
        server.shelf.load("smollm2")
    return server


def asked_of_the_fake(name: str) -> tuple[Recording, int, Mapping[str, str], bytes]:
    """Ask a fake what the recording was asked; return both replies."""
    recording = _RECORDINGS[name]
    body = recording.request_body
    if name.startswith(("25", "26")):
        assert body is not None
        body = json.dumps(json.loads(body) | {"model": "x"}).encode()
    with fake_of(name) as server:
        reply = exchange(server.port, recording.method, recording.path, body)
    return recording, reply.status, reply.headers, reply.body


@pytest.mark.parametrize("name", [*OLLAMA_WHOLE, *LLAMACPP_WHOLE])
def test_a_reply_of_the_fake_has_the_shape_of_a_real_one(name: str) -> None:
    recording, status, headers, body = asked_of_the_fake(name)

    assert (status, headers["content-type"]) == (
        recording.status,
        recording.headers["content-type"],
    )
    assert shape(json.loads(body)) == shape(json.loads(recording.body))
    assert body.endswith(b"\n") == recording.body.endswith(b"\n")
    assert set(headers) == set(recording.headers)
    if status >= 400:
        assert json.loads(body) == json.loads(recording.body)


@pytest.mark.parametrize("name", EXACT)
def test_a_reply_of_the_fake_is_the_real_one(name: str) -> None:
    recording, status, headers, body = asked_of_the_fake(name)

    assert (status, body) == (recording.status, recording.body)
    own = {"content-length"} if "version" in name else set()
    assert headers.keys() == recording.headers.keys()
    assert {k: v for k, v in headers.items() if k not in own | {"date"}} == {
        k: v for k, v in recording.headers.items() if k not in own | {"date"}
    }


def test_show_has_the_fields_of_a_real_one() -> None:
    recording, _, headers, body = asked_of_the_fake("ollama_10_show")
    fake, real = json.loads(body), json.loads(recording.body)

    assert shape(fake | {"model_info": {}}) == shape(real | {"model_info": {}})
    assert fake["model_info"].keys() <= real["model_info"].keys()
    assert set(headers) == {*recording.headers, "content-length"} - {
        "transfer-encoding"
    }


def test_a_pull_says_what_a_real_one_says() -> None:
    recording, _, headers, body = asked_of_the_fake("ollama_07d_pull_stream")
    fake = [shape(value) for value in objects("ollama", body)]
    real = [shape(value) for value in objects("ollama", recording.body)]

    assert [one for one in real if one not in fake] == []
    assert set(headers) == set(recording.headers)


@pytest.mark.parametrize(
    ("name", "dialect"), [*OLLAMA_STREAMS.items(), *LLAMACPP_STREAMS.items()]
)
def test_a_stream_of_the_fake_has_the_shapes_of_a_real_one(
    name: str, dialect: Dialect
) -> None:
    recording, _, headers, body = asked_of_the_fake(name)

    def steps(data: bytes) -> list[object]:
        """Return the shapes of the chunks, each kind once, in order."""
        shapes = [shape(value) for value in objects(dialect, data)]
        return [one for at, one in enumerate(shapes) if one not in shapes[:at]]

    assert steps(body) == steps(recording.body)
    assert set(headers) == set(recording.headers)
