"""What real servers sent, played back whole, through the whole program.

What an answer holds is worked out here a second time, by code that shares nothing
with the decoders under test.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pytest

from .asking import chats
from .fakeserver import FakeServer, Recording, load_recordings, recordings_directory
from .fakeserver.recordings import VARIABLE
from .runner import Result, Runner

_DIRECTORY = recordings_directory()
_RECORDINGS = load_recordings(_DIRECTORY) if _DIRECTORY else {}
_CHAT_PATHS = ("/api/chat", "/v1/chat/completions")
_CHATS = [
    name
    for name, recording in _RECORDINGS.items()
    if recording.method == "POST" and recording.path in _CHAT_PATHS
]
_UNUSUAL = {
    "ollama_11_load": 7,  # an empty prompt loads a model: that is no answer
    "ollama_28b_keep_alive_forever": 7,
    "ollama_60_unload": 7,
    "ollama_26_option_wrong_type": 5,  # a 500 that no other attempt mends
    "ollama_26c_stop_string": 5,
    "ollama_71_runner_killed_mid_stream": 6,
    "75_error_event_inside_stream": 6,
    "ollama_71d_v1_runner_killed_mid_stream": 8,  # Ollama's /v1 loses its own error
    "ollama_74_server_sigterm_mid_stream": 8,
    "ollama_74b_server_sigkill_mid_stream": 8,
}

pytestmark = pytest.mark.skipif(
    not _RECORDINGS, reason=f"{VARIABLE} names no directory of recordings"
)


class Told(NamedTuple):
    """What a recorded body says."""

    text: str
    thinking: str
    finish_reason: str | None
    model: str | None
    usage: dict[str, int | None]
    has_tool: bool


def _documents(recording: Recording) -> list[dict[str, Any]]:
    lines = [line.strip() for line in recording.body.split(b"\n")]
    if recording.headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line[5:] for line in lines if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line and b"[DONE]" not in line]


def _told(recording: Recording) -> Told:
    documents = _documents(recording)
    choices = [(d.get("choices") or [{}])[0] for d in documents]
    said = [c.get("delta") or c.get("message") or {} for c in choices]
    said += [d["message"] for d in documents if "message" in d]
    thoughts = ("thinking", "reasoning_content", "reasoning")
    ends = [c.get("finish_reason") for c in choices]
    ends += [d.get("done_reason") for d in documents]
    counts: dict[str, int | None] = {}
    for document in documents:
        counts.update(document.get("usage") or {})
        for ours, theirs in _OLLAMA_COUNTS.items():
            counts |= {ours: document[theirs]} if theirs in document else {}
    return Told(
        "".join(part.get("content") or "" for part in said),
        "".join(part.get(name) or "" for part in said for name in thoughts),
        next(filter(None, ends), None),
        next((d["model"] for d in reversed(documents) if d.get("model")), None),
        {name: counts.get(name) for name in _OLLAMA_COUNTS},
        any(part.get("tool_calls") for part in said),
    )


_OLLAMA_COUNTS = {
    "prompt_tokens": "prompt_eval_count",
    "completion_tokens": "eval_count",
}


def _asked(cli: Runner, server: FakeServer, name: str, *more: str) -> Result:
    """Ask a server that answers as recorded, in the way that was recorded."""
    recording = _RECORDINGS[name]
    server.script(recording.path, recording.reply(), times=None)
    suffix = recording.path.removesuffix("/chat/completions")
    url = server.url + ("" if recording.path == "/api/chat" else suffix)
    is_json = recording.headers.get("content-type", "").startswith("application/json")
    how = "--no-stream" if is_json else "--stream"
    argv = ("--base-url", url, "-m", "m", "--retries", "0", "--timeout", "30", how)
    return cli.run(*argv, *more, "hi")


def _status(name: str) -> int:
    recording = _RECORDINGS[name]
    if name in _UNUSUAL:
        return _UNUSUAL[name]
    if recording.status != 200:
        return 5 if recording.status < 500 else 6
    told = _told(recording)
    is_answer = told.text or not (told.has_tool or told.thinking)
    return 8 if told.finish_reason == "length" or not is_answer else 0


def _error_lines(result: Result) -> list[str]:
    lines = result.stderr.splitlines()
    return [line for line in lines if line.startswith("llmwrap: error: ")]


@pytest.mark.parametrize("name", _CHATS)
def test_a_recorded_chat_ends_as_the_contract_says(
    cli: Runner, server: FakeServer, name: str
) -> None:
    result = _asked(cli, server, name, "--json")

    document = json.loads(result.stdout)
    told = _told(_RECORDINGS[name])
    assert result.status == _status(name), result
    assert len(_error_lines(result)) == (result.status != 0)
    assert document["text"] == told.text
    if result.status == 0:
        assert document.get("thinking", "") == told.thinking
        assert document["finish_reason"] == told.finish_reason
        assert document["usage"] == told.usage
        assert document["model"] == told.model


@pytest.mark.parametrize("name", [n for n in _CHATS if _status(n) in (0, 6, 8)])
def test_recorded_text_is_written_as_it_is(
    cli: Runner, server: FakeServer, name: str
) -> None:
    result = _asked(cli, server, name)

    told = _told(_RECORDINGS[name])
    is_whole = _RECORDINGS[name].headers["content-type"].startswith("application/json")
    is_cut = told.finish_reason == "length"
    kept = "" if is_whole and result.status and not is_cut else told.text
    missing = "\n" if kept and not kept.endswith("\n") else ""
    assert result.stdout == (kept + missing).encode()


@pytest.mark.parametrize("name", [n for n in _CHATS if _status(n) == 0])
def test_a_server_that_streams_or_not_as_it_likes_is_understood(
    cli: Runner, server: FakeServer, name: str
) -> None:
    result = _asked(cli, server, name, "--stream", "--json")

    assert result.status == 0
    assert json.loads(result.stdout)["text"] == _told(_RECORDINGS[name]).text


@pytest.mark.parametrize(
    "name", [n for n in _CHATS if _told(_RECORDINGS[n]).finish_reason == "length"]
)
def test_an_answer_cut_at_the_users_own_limit_is_whole(
    cli: Runner, server: FakeServer, name: str
) -> None:
    told = _told(_RECORDINGS[name])
    limit = str(told.usage["completion_tokens"] or 4)

    result = _asked(cli, server, name, "--max-tokens", limit)

    if not told.text:
        assert result.status == 8
        return
    assert result.status == 0
    assert "note: the answer ends at the length limit you set" in result.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ollama_06_chat_missing_model", "model 'm' not found on ollama at http"),
        ("ollama_52_v1_missing_model", "model 'm' not found on openai at http"),
        ("91_router_bad_model", "model 'm' not found on openai at http"),
        ("ollama_20_format_invalid", "answered 500: invalid format"),
        ("ollama_20b_format_bad_schema", "400: Field 'json_schema': \"json_schema\""),
        ("ollama_21_think_true", '"smollm2" does not support thinking'),
        ("ollama_22_image_text_model", "model does not support multimodal requests"),
        ("ollama_71_runner_killed_mid_stream", "reports: an error was encountered"),
        ("ollama_74_server_sigterm_mid_stream", "in the middle of its reply"),
        ("ollama_75_model_file_damaged", "exceeds file size"),
        ("ollama_75b_model_file_damaged_v1", "exceeds file size"),
        ("35_err_context_too_long", "the prompt has 5024 tokens"),
        ("36_err_context_too_long_stream", "has 2048; shorten it"),
        ("37_context_fills_midstream", "cut at the length limit of openai"),
        ("39_err_image_unsupported", "image input is not supported"),
        ("71_queued_behind_stream_no_pings", "the prompt has 5024 tokens"),
        ("75_error_event_inside_stream", "reports: Context size has been exceeded"),
        ("76_error_nonstream_kv_exhausted", "500: Context size has been exceeded"),
        ("80_auth_missing", "Invalid API Key; LLMWRAP_API_KEY holds"),
        ("81_auth_wrong", "Invalid API Key; LLMWRAP_API_KEY holds"),
        ("95_router_load_broken", "model name=broken failed to load"),
        ("41_ollama_api_chat", "404: File Not Found"),
    ],
)
def test_the_error_line_says_what_the_server_said(
    cli: Runner, server: FakeServer, name: str, told: str
) -> None:
    result = _asked(cli, server, name)

    assert told in _error_lines(result)[0]


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("ollama_29b_overflow_notruncate", 5010),
        ("ollama_29h_notruncate_stream", 8470),
    ],
)
def test_a_prompt_too_long_gets_a_context_that_fits(
    cli: Runner, server: FakeServer, name: str, tokens: int
) -> None:
    result = _asked(cli, server, name)

    assert result.status == 5
    found = re.search(r"; ask with -o num_ctx=(\d+)$", _error_lines(result)[0])
    assert found
    assert tokens < int(found[1]) < tokens + 3000


def test_a_prompt_cut_by_the_server_is_no_whole_answer(
    cli: Runner, server: FakeServer
) -> None:
    words = "word " * 20000

    result = _asked(cli, server, "ollama_54_v1_overflow", "--max-tokens", "4", words)

    assert result.status == 8
    assert "it has 20001 words, and the server counted 2050" in result.stderr


@pytest.mark.parametrize("path", _CHAT_PATHS)
def test_a_model_that_loads_is_waited_for(
    cli: Runner, server: FakeServer, path: str
) -> None:
    server.script(path, _RECORDINGS["00_loading_503_chat"].reply(), times=3)
    url = server.url + ("/v1" if path.startswith("/v1") else "")

    result = cli.run("--base-url", url, "-m", "alpha", "--retries", "0", "--json", "hi")

    assert result.status == 0
    assert json.loads(result.stdout)["attempts"] == 1
    assert len(chats(server)) == 4
