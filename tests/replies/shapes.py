"""What the same answer can look like: labels, framings, fields of odd types."""

from __future__ import annotations

import json

from .case import (
    HELLO,
    JSON,
    NDJSON,
    OLLAMA_HELLO,
    SSE,
    Case,
    bad,
    chunk,
    delta_of,
    good,
    line,
    lines,
    packed,
    sse,
    whole,
)

_STOP = chunk(None, "stop")
_HI = sse(*HELLO, _STOP)
_WHOLE = whole({"role": "assistant", "content": "Hello there"})
_OLLAMA_WHOLE = line("Hello there", done=True, done_reason="stop")
_BOM = b"\xef\xbb\xbf"


def _parts(*parts: object) -> bytes:
    return sse(chunk(list(parts)), _STOP)


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


_LABELS: tuple[Case, ...] = (
    good("events_as_json", _HI, media_type=JSON),
    good("events_as_text", _HI, media_type="text/plain; charset=utf-8"),
    good("events_as_bytes", _HI, media_type="application/octet-stream"),
    good("json_as_events", packed(_WHOLE), media_type=SSE),
    good("json_as_html", packed(_WHOLE), media_type="text/html"),
    good("pretty_json", json.dumps(_WHOLE, indent=2).encode(), media_type=JSON),
    good(
        "pretty_json_as_events", json.dumps(_WHOLE, indent=4).encode(), media_type=SSE
    ),
    good("json_lines", lines(*HELLO, _STOP), media_type=NDJSON),
    good("bom_before_events", _BOM + _HI),
    good("bom_before_json", _BOM + packed(_WHOLE), media_type=JSON),
    good("blank_lines_first", b"\n\r\n  \n" + packed(_WHOLE), media_type=JSON),
    good("comment_first", b": OPENROUTER PROCESSING\n\n" + _HI),
    good("event_names", _HI.replace(b"data: {", b"event: message\ndata: {")),
    good("status_201", _HI, http=201),
    good("status_202_json", packed(_WHOLE), http=202, media_type=JSON),
    good("status_203", _HI, http=203),
    good("interim_102", _HI, before=b"HTTP/1.1 102 Processing\r\n\r\n"),
    good("interim_103", _HI, before=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    bad("status_304", b"", 7, "answered 304, which is no answer", http=304),
    bad("status_204", b"", 8, "without a finish reason", http=204),
    bad(
        "page_as_events",
        b"<!DOCTYPE html><html><title>Log in &amp; go</title><p>x</p></html>",
        7,
        "an HTML page: 'Log in & go'",
    ),
    bad(
        "words_for_a_stream", b"upstream connect error\n", 7, "'upstream connect error'"
    ),
    bad(
        "ollamas_lines_where_events_belong",
        lines(*OLLAMA_HELLO, _OLLAMA_WHOLE),
        7,
        "the words of Ollama's own API",
        media_type=NDJSON,
    ),
    bad("half_a_document", packed(_WHOLE)[:60], 8, "broke off", media_type=JSON),
    good(
        "pretty_json",
        json.dumps(_OLLAMA_WHOLE, indent=1).encode(),
        dialect="ollama",
        media_type=JSON,
    ),
    good(
        "lines_as_text",
        lines(*OLLAMA_HELLO, line(done=True)),
        dialect="ollama",
        media_type="text/plain",
    ),
    good("bom", _BOM + lines(_OLLAMA_WHOLE), dialect="ollama"),
    good("status_206", lines(_OLLAMA_WHOLE), dialect="ollama", http=206),
    good(
        "interim_103",
        lines(_OLLAMA_WHOLE),
        dialect="ollama",
        before=b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ),
)

_TEXTS: tuple[Case, ...] = (
    # Mistral's reasoning models.
    good(
        "parts_of_thinking_and_text",
        sse(
            chunk([{"type": "thinking", "thinking": [_text("hm")]}]),
            chunk([_text("Hello")]),
            chunk(" there", "stop"),
        ),
    ),
    good("parts_of_text", _parts(_text("Hello"), _text(" there"))),
    good(
        "parts_of_output_text", _parts({"type": "output_text", "text": "Hello there"})
    ),
    good("part_alone", sse(chunk(_text("Hello there")), _STOP)),
    good("parts_and_references", _parts(_text("Hello there"), {"type": "reference"})),
    good("null_first", sse(chunk(), delta_of({"content": None}), *HELLO, _STOP)),
    good("empty_list", sse(chunk([]), *HELLO, _STOP)),
    good(
        "text_of_completions",
        sse(
            {"choices": [{"text": "Hello there", "index": 0, "finish_reason": "stop"}]}
        ),
    ),
    good("message_in_a_stream", sse(_WHOLE)),
    good("whole_in_parts", packed(whole({"content": [_text("Hello there")]}))),
    good(
        "all_fields_at_once",
        sse(
            delta_of({"role": "assistant", "content": "", "refusal": None}),
            delta_of(
                {
                    "content": "Hello there",
                    "reasoning_content": None,
                    "tool_calls": None,
                    "function_call": None,
                    "audio": None,
                }
            ),
            _STOP,
        ),
    ),
    good(
        "reasoning_twice",
        sse(
            delta_of(
                {
                    "content": "",
                    "reasoning": "hm",
                    "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
                }
            ),
            *HELLO,
            _STOP,
        ),
    ),
    good(
        "parts",
        lines(
            line() | {"message": {"content": [_text("Hello there")]}},
            line(done=True, done_reason="stop"),
        ),
        dialect="ollama",
    ),
)

_ODD: tuple[dict[str, object], ...] = (
    {"model": 5},
    {"model": None},
    {"id": {}},
    {"created": "now"},
    {"usage": "none"},
    {"usage": [1]},
    {"timings": 3},
    {"stats": []},
    {"system_fingerprint": [1]},
    {"error": None},
    {"error": ""},
    {"error": {}},
    {"error": False},
    {"object": 1},
    {"citations": ["x"], "search_results": [{}]},
    {"prompt_filter_results": [{}]},
)

_FIELDS: tuple[Case, ...] = (
    *(
        good(
            f"odd_{number}_{next(iter(odd))}",
            sse(*(c | odd for c in HELLO), _STOP | odd),
        )
        for number, odd in enumerate(_ODD)
    ),
    good(
        "azure_filter_chunks",
        sse(
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
            *HELLO,
            _STOP,
            {
                "id": "",
                "choices": [
                    {
                        "finish_reason": None,
                        "index": 0,
                        "content_filter_results": {"hate": {"filtered": False}},
                    }
                ],
            },
        ),
    ),
    good(
        "index_is_missing",
        sse(
            {"choices": [{"delta": {"content": "Hello there"}}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        ),
    ),
    good("delta_is_null", sse(delta_of(None), *HELLO, _STOP)),
    good("logprobs_are_odd", sse(*HELLO, delta_of({}, "stop") | {"logprobs": 7})),
    good(
        "odd_fields",
        lines(
            *(one | {"model": 1, "created_at": 5} for one in OLLAMA_HELLO),
            line(done=True, done_reason="stop", eval_count="2", total_duration=None),
        ),
        dialect="ollama",
    ),
)


def _choice(
    index: int, text: str | None, reason: str | None = None
) -> dict[str, object]:
    delta = {} if text is None else {"content": text}
    return {"index": index, "delta": delta, "finish_reason": reason}


_CHOICES: tuple[Case, ...] = (
    good(
        "two_choices_in_turn",
        sse(
            {"choices": [_choice(0, "Hello")]},
            {"choices": [_choice(1, "Blue")]},
            {"choices": [_choice(1, None, "length")]},
            {"choices": [_choice(0, " there")]},
            {"choices": [_choice(0, None, "stop")]},
        ),
    ),
    good(
        "two_choices_at_once",
        sse(
            {"choices": [_choice(1, "Blue"), _choice(0, "Hello there")]},
            {"choices": [_choice(0, None, "stop"), _choice(1, None, "length")]},
        ),
    ),
    bad(
        "the_other_choice_ends",
        sse(
            {"choices": [_choice(0, "Hello")]}, {"choices": [_choice(1, None, "stop")]}
        ),
        8,
        "without a finish reason",
        out="Hello",
    ),
    good(
        "two_choices_whole",
        packed(
            {
                "choices": [
                    {"index": 1, "message": {"content": "B"}, "finish_reason": "stop"},
                    {
                        "index": 0,
                        "message": {"content": "Hello there"},
                        "finish_reason": "stop",
                    },
                ]
            }
        ),
    ),
)

SHAPES: tuple[Case, ...] = (*_LABELS, *_TEXTS, *_FIELDS, *_CHOICES)
