"""How answers end: words, places and orders of end markers; answers without text."""

from __future__ import annotations

from .case import (
    HELLO,
    OLLAMA_HELLO,
    Case,
    bad,
    chunk,
    delta_of,
    doubtful,
    good,
    line,
    lines,
    packed,
    sse,
    usage,
    whole,
)

_GOOD_WORDS = (
    "stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token",
    "COMPLETE", "FinishReason.STOP", "endTurn", "<|im_end|>", "completed",
)  # fmt: skip
_CUT_WORDS = (
    "length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens",
    "model_context_window_exceeded", "ERROR_LIMIT", "max_new_tokens",
)  # fmt: skip
_WITHHELD_WORDS = (
    "content_filter", "content-filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT",
    "SPII", "BLOCKLIST", "sensitive", "guardrail_intervened", "content_filtered",
    "refusal", "ERROR_TOXIC",
)  # fmt: skip
_BROKEN_WORDS = (
    "error", "abort", "cancelled", "insufficient_system_resource", "network_error",
    "timeout", "ERROR", "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
_UNKNOWN_WORDS = ("zzz", "other", "FINISH_REASON_UNSPECIFIED", "unknown", "repetition")


def _said(word: object) -> bytes:
    return sse(*HELLO, chunk(None, word))


_WORDS: tuple[Case, ...] = (
    *(good(f"good_{w}", _said(w)) for w in _GOOD_WORDS),
    *(
        bad(f"cut_{w}", _said(w), 8, "cut at the length limit", out="Hello there")
        for w in _CUT_WORDS
    ),
    *(
        bad(f"withheld_{w}", _said(w), 8, "withheld", w, out="Hello there")
        for w in _WITHHELD_WORDS
    ),
    *(
        bad(f"broken_{w}", _said(w), 8, "given up", w, out="Hello there")
        for w in _BROKEN_WORDS
    ),
    *(doubtful(f"unknown_{w}", _said(w), f"'{w}'") for w in _UNKNOWN_WORDS),
    good("marker_is_an_object", _said({"type": "stop", "matched": 2})),
    doubtful("marker_is_a_number", _said(1), "'1'"),
    bad(
        "content_filter_before_any_text",
        sse(chunk(None, "content_filter")),
        8,
        "withheld",
    ),
)

_ORDERS: tuple[Case, ...] = (
    # Open WebUI before Ollama: an empty first chunk that says stop.
    good(
        "stop_on_the_first_empty_chunk",
        sse(chunk("", "stop"), *HELLO, chunk(None, "stop")),
    ),
    bad(
        "stop_first_and_never_again",
        sse(chunk("", "stop"), *HELLO),
        8,
        "without a finish reason",
        out="Hello there",
    ),
    # Gateways before Gemini: on every chunk.
    good("stop_on_every_chunk", sse(chunk("Hello", "stop"), chunk(" there", "stop"))),
    good(
        "stop_with_reasoning",
        sse(
            delta_of({"reasoning_content": "hm"}, "stop"),
            *HELLO,
            chunk(None, "stop"),
        ),
    ),
    bad(
        "reasoning_after_stop",
        sse(*HELLO, chunk(None, "stop"), delta_of({"reasoning": "more"})),
        8,
        "without a finish reason",
        out="Hello there",
    ),
    bad(
        "stop_then_length",
        sse(*HELLO, chunk(None, "stop"), chunk(None, "length")),
        8,
        "cut at the length limit",
        out="Hello there",
    ),
    good("length_then_stop", sse(*HELLO, chunk(None, "length"), chunk(None, "stop"))),
    bad(
        "error_after_stop",
        sse(*HELLO, chunk(None, "stop"), {"error": {"message": "upstream died"}}),
        6,
        "upstream died",
        out="Hello there",
    ),
    good("stop_twice", sse(*HELLO, chunk(None, "stop"), chunk(None, "stop"))),
    # Old Ollama /v1 and KoboldCpp: not null, and no reason either.
    good(
        "empty_words_are_no_marker",
        sse(chunk("Hello", ""), chunk(" there", "null"), chunk(None, "stop")),
    ),
    good("no_done", sse(*HELLO, chunk(None, "stop"), end=b"")),
    good("done_without_blank", sse(*HELLO, chunk("", "stop"), end=b"data:[DONE]")),
    bad(
        "done_without_marker",
        sse(*HELLO),
        8,
        "without a finish reason",
        out="Hello there",
    ),
    good(
        "usage_behind_the_marker",
        sse(*HELLO, chunk(None, "stop"), {"choices": []} | usage(2), end=b""),
        is_left_open=True,
    ),
    doubtful(
        "silence_behind_the_marker",
        sse(*HELLO, chunk(None, "stop"), end=b""),
        "fell silent instead of ending it",
        is_left_open=True,
    ),
    doubtful(
        "silence_behind_marker_with_text_and_usage",
        sse(chunk("Hello"), chunk(" there", "stop", **usage(2)), end=b""),
        "fell silent instead of ending it",
        is_left_open=True,
    ),
)

_LIMITS: tuple[Case, ...] = (
    good(
        "own_limit_reached",
        sse(*HELLO, chunk(None, "length"), {"choices": []} | usage(2)),
        argv=("--max-tokens", "2"),
    )._replace(told=("note: the answer ends at the length limit you set",)),
    good(
        "own_limit_and_no_counts",
        sse(*HELLO, chunk(None, "length")),
        argv=("--max-tokens", "2"),
    ),
    bad(
        "own_limit_not_reached",
        sse(*HELLO, chunk(None, "length"), {"choices": []} | usage(2)),
        8,
        "was cut after 2 tokens, before the limit of 1000 that you set",
        out="Hello there",
        argv=("--max-tokens", "1000"),
    ),
    bad(
        "window_full_before_own_limit",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="length", eval_count=4)),
        8,
        "after 4 tokens",
        out="Hello there",
        dialect="ollama",
        argv=("-o", "num_predict=1000"),
    ),
    good(
        "own_limit_of_ollama_under_a_common_name",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="length", eval_count=2)),
        dialect="ollama",
        argv=("-o", "max_tokens=2"),
    ),
)

_TOOL = {"tool_calls": [{"index": 0, "function": {"name": "get_weather"}}]}
_WITHOUT_TEXT: tuple[Case, ...] = (
    bad(
        "only_a_tool_call",
        sse(delta_of(_TOOL), chunk(None, "tool_calls")),
        8,
        "the model called the tool 'get_weather'; llmwrap offers none",
    ),
    bad(
        "only_a_tool_call_that_says_stop",
        sse(delta_of(_TOOL), chunk(None, "stop")),
        8,
        "'get_weather'",
    ),
    bad(
        "only_an_old_function_call",
        sse(delta_of({"function_call": {"name": "f"}}), chunk("", "function_call")),
        8,
        "the tool 'f'",
    ),
    bad("tool_marker_alone", sse(chunk(None, "tool_use")), 8, "called a tool"),
    doubtful(
        "text_and_a_tool_call",
        sse(*HELLO, delta_of(_TOOL), chunk(None, "tool_calls")),
        "also called the tool 'get_weather'",
    ),
    bad(
        "only_reasoning",
        sse(delta_of({"reasoning_content": "hm"}), chunk("", "stop")),
        8,
        "only reasoning came",
        "--no-think",
    ),
    bad(
        "only_reasoning_up_to_the_limit",
        sse(delta_of({"reasoning": "hm"}), chunk("", "length"), usage(5)),
        8,
        "only reasoning came",
        argv=("--max-tokens", "5"),
    ),
    doubtful("nothing_at_all", sse(chunk("", "stop")), "is empty", out=""),
    doubtful(
        "nothing_at_all_whole",
        packed(whole({"role": "assistant", "content": None})),
        "is empty",
        out="",
    ),
    good(
        "refusal",
        sse(delta_of({"refusal": "I can't."}), chunk(None, "stop")),
        "I can't.",
    ),
    good(
        "refusal_whole",
        packed(whole({"content": None, "refusal": "I can't."})),
        "I can't.",
    ),
    bad(
        "an_empty_stream", b"", 8, "without a finish reason", "--no-stream may show why"
    ),
    bad("only_done", sse(), 8, "without a finish reason"),
)

_OLLAMA: tuple[Case, ...] = (
    good(
        "done_stop",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="stop")),
        dialect="ollama",
    ),
    good(
        "done_without_reason", lines(*OLLAMA_HELLO, line(done=True)), dialect="ollama"
    ),
    bad(
        "done_error",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="error")),
        8,
        "given up: 'error'",
        out="Hello there",
        dialect="ollama",
    ),
    bad(
        "done_content_filter",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="content_filter")),
        8,
        "withheld",
        out="Hello there",
        dialect="ollama",
    ),
    doubtful(
        "done_unknown",
        lines(*OLLAMA_HELLO, line(done=True, done_reason="zzz")),
        "'zzz'",
        dialect="ollama",
    ),
    bad(
        "done_load",
        lines(line(done=True, done_reason="load")),
        7,
        "answered 'load' where an answer belongs",
        dialect="ollama",
    ),
    doubtful(
        "done_and_nothing",
        lines(line(done=True, done_reason="stop")),
        "is empty",
        out="",
        dialect="ollama",
    ),
    bad(
        "done_and_a_tool",
        lines(
            line() | {"message": {"content": "", "tool_calls": _TOOL["tool_calls"]}},
            line(done=True, done_reason="stop"),
        ),
        8,
        "'get_weather'",
        dialect="ollama",
    ),
    bad(
        "done_and_only_thinking",
        lines(
            line() | {"message": {"content": "", "thinking": "hm"}},
            line(done=True, done_reason="stop"),
        ),
        8,
        "only reasoning came",
        dialect="ollama",
    ),
    bad(
        "no_done",
        lines(*OLLAMA_HELLO),
        8,
        "ended its answer without 'done'",
        out="Hello there",
        dialect="ollama",
    ),
)

ENDS: tuple[Case, ...] = (*_WORDS, *_ORDERS, *_LIMITS, *_WITHOUT_TEXT, *_OLLAMA)
