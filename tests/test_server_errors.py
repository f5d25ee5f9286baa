"""What a server says is wrong, out of any shape: words, kind, facts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.backends.server_errors import error_of_body, server_error
from llmwrap.messages import Json

from .replies.errors import TOO_LONG


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"error": False},
        {"choices": []},
        {"choices": [{"delta": {"content": "error"}}]},
        {"choices": [], "message": "ok"},
        {"model": "m", "message": {"content": "x"}, "done": False},
        {"status": "pulling manifest"},
        {"version": "0.1"},
        {"data": [], "object": "list"},
        {"data": [{"id": "m"}], "errors": []},
        [],
        [1],
        "error",
        None,
        5,
    ],
)
def test_what_reports_no_error_is_none(document: Json) -> None:
    assert server_error(document) is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "boom"}, "boom"),
        ({"error": {"message": "boom"}}, "boom"),
        ({"error": ["boom"]}, "boom"),
        ({"error": {"error": {"message": "boom"}}}, "boom"),
        ({"error": 1, "message": "boom"}, "boom"),
        ({"object": "error", "message": "boom"}, "boom"),
        ({"type": "error", "error": {"message": "boom"}}, "boom"),
        ({"message": "boom"}, "boom"),
        ({"detail": "boom"}, "boom"),
        ({"msg": "boom", "code": 5}, "boom"),
        ({"errors": [{"message": "boom"}]}, "boom"),
        ({"choices": [], "error": {"message": "boom"}}, "boom"),
        ({"choices": [{"error": {"message": "boom"}}]}, "boom"),
        ({"choices": [{"delta": {"error": "boom"}}]}, "boom"),
        ([{"error": {"message": "boom"}}], "boom"),
        ({"error": '{"detail":"boom"}'}, "boom"),
        ({"error": "Oops: {'msg': 'boom'}"}, "Oops: boom"),
        ({"error": "<h1>boom</h1>"}, "boom"),
        ({"error": {"message": "boom\n  at line 5"}}, "boom at line 5"),
        ({"error": {"code": 5, "type": "x"}}, "code 5, type x"),
    ],
)
def test_an_error_is_found_wherever_it_stands(document: Json, words: str) -> None:
    found = server_error(document)

    assert found
    assert found.message == words


@pytest.mark.parametrize("text", TOO_LONG)
def test_a_prompt_that_is_too_long_has_many_wordings(text: str) -> None:
    found = server_error({"error": {"message": text}})

    assert found
    assert found.kind == "too_long"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "Rate limit reached: tokens per minute, too many tokens in the prompt",
            "busy",
        ),
        ("You exceeded your current quota, reduce the length of the messages", ""),
        ("model 'x' not found, try pulling it first", "unknown_model"),
        ("No models loaded. Please load a model", "unknown_model"),
        ("image file for this model: not found", "unknown_model"),
        ("tool 'x' not found", ""),
        ("Unexpected endpoint or method. (POST /x)", "unknown_path"),
        ("Incorrect API key provided: sk-***", "unauthorized"),
        ("Loading model", "loading"),
        ("Model x is currently loading", "loading"),
        ("CUDA error: out of memory", "out_of_memory"),
        ("unable to allocate CUDA0 buffer", "out_of_memory"),
        ("The server is overloaded", "busy"),
        ("max_tokens must be at least 1", ""),
        ("temperature must be between 0 and 2", ""),
    ],
)
def test_what_is_wrong_is_told_apart(text: str, kind: str) -> None:
    found = server_error({"error": {"message": text}})

    assert found
    assert found.kind == kind


def test_facts_are_found_wherever_they_stand() -> None:
    body = {
        "error": json.dumps(
            {"error": {"code": 400, "message": "no", "n_prompt_tokens": 9, "n_ctx": 8}}
        ),
        "signin_url": "https://a.example/connect?x=1.",
    }

    found = error_of_body(json.dumps(body).encode())

    assert (found.status, found.prompt_tokens, found.context_tokens) == (400, 9, 8)
    assert found.address == "https://a.example/connect?x=1"


@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize(
    "body",
    [
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"error":' * 5_000,
        b"{'a': " * 5_000,
        b"<" * 100_000,
        b"<title" * 20_000,
        b"<title>" * 14_000,
        b"<script>" * 12_000,
        b"{'" + b"(" * 200 + b"}",
        b"\xff\xfe{",
        b'{"error":"' + b'{\\"error\\":' * 3_000,
    ],
)
def test_hostile_bodies_cost_neither_time_nor_errors(body: bytes) -> None:
    assert error_of_body(body).message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "errors", "code", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_document_makes_words_on_one_line(document: Json) -> None:
    found = error_of_body(json.dumps(document).encode())

    assert found.message
    assert "\n" not in found.message


@given(st.binary(max_size=200))
def test_any_bytes_make_words(body: bytes) -> None:
    assert error_of_body(body).message
