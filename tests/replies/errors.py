"""What servers say is wrong: shapes of error bodies, and what they are about."""

from __future__ import annotations

import json
from typing import Any

from .case import (
    DONE,
    HELLO,
    JSON,
    Case,
    bad,
    chunk,
    delta_of,
    line,
    lines,
    packed,
    sse,
)

_NESTED = packed(
    {
        "error": {
            "code": 400,
            "message": "request (5024 tokens) exceeds the available context size (2048"
            " tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 5024,
            "n_ctx": 2048,
        }
    }
).decode()
_PYTHON = (
    "litellm.BadRequestError: OpenAIException - Error code: 400 - {'error':"
    " {'message': \"the model can't do that\", 'type': 'invalid', 'code': None}}"
)
_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>"
    b"<h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center></body></html>"
)


def _status(
    name: str, http: int, body: object, status: int, *told: str, **more: Any
) -> Case:
    """Return a reply with an error status, which nothing may be sent after."""
    data = body if isinstance(body, bytes) else packed(body)
    more.setdefault("media_type", JSON)
    where = "openai at http" if more.get("dialect") != "ollama" else "ollama at http"
    return bad(name, data, status, where, *told, http=http, **more)


_BODIES: tuple[Case, ...] = (
    _status(
        "object",
        400,
        {"error": {"message": "no such thing", "code": None}},
        5,
        "answered 400: no such thing",
    ),
    _status("text", 400, {"error": "no such thing"}, 5, ": no such thing"),
    _status("message_alone", 400, {"message": "no such thing"}, 5, ": no such thing"),
    _status("msg", 400, {"code": 10, "msg": "no such thing"}, 5, ": no such thing"),
    _status(
        "errors",
        400,
        {
            "success": False,
            "errors": [{"code": 7003, "message": "Could not route to x"}],
            "result": None,
        },
        5,
        ": Could not route to x",
    ),
    _status("errors_by_field", 422, {"errors": {"model": ["is odd"]}}, 5, "is odd"),
    _status(
        "fastapi_text", 400, {"detail": "Not allowed here"}, 5, ": Not allowed here"
    ),
    _status(
        "fastapi_list",
        422,
        {
            "detail": [
                {
                    "loc": ["body", "messages", 0],
                    "type": "missing",
                    "msg": "Field required",
                }
            ]
        },
        5,
        ": body.messages.0: Field required",
    ),
    _status("fastapi_object", 400, {"detail": {"error": "boom"}}, 5, ": boom"),
    _status(
        "gemini_list",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Unknown name "x": Cannot find field.',
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        5,
        ': Unknown name "x": Cannot find field.',
    ),
    _status(
        "problem",
        400,
        {
            "type": "about:blank",
            "title": "Bad input",
            "status": 400,
            "detail": "x is odd",
        },
        5,
        ": Bad input: x is odd",
        media_type="application/problem+json",
    ),
    _status(
        "json_in_text", 400, {"error": '{"error":{"message":"inner"}}'}, 5, ": inner"
    ),
    _status(
        "json_behind_words",
        400,
        {
            "error": {
                "message": 'Upstream - {"error":{"message":"inner words"}} and more'
            }
        },
        5,
        "Upstream - inner words and more",
    ),
    _status(
        "python_behind_words",
        400,
        {"error": {"message": _PYTHON}},
        5,
        "400 - the model can't do that",
    ),
    _status("list_of_words", 400, {"error": ["one", "two"]}, 5, ": one; two"),
    _status("true_and_message", 400, {"error": True, "message": "boo"}, 5, ": boo"),
    _status(
        "openrouter_upstream",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"detail":"tool use is off"}',
                    "provider_name": "X",
                },
            }
        },
        5,
        "Provider returned error: tool use is off",
    ),
    _status(
        "azure",
        400,
        {
            "error": {
                "code": "content_filter",
                "message": "The response was filtered",
                "innererror": {"code": "X"},
            }
        },
        5,
        ": The response was filtered",
    ),
    _status(
        "apigee",
        400,
        {"fault": {"faultstring": "Invalid call", "detail": {"errorcode": "x"}}},
        5,
        ": Invalid call",
    ),
    _status(
        "anthropic",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "max_tokens: required",
            },
        },
        5,
        ": max_tokens: required",
    ),
    _status(
        "page", 502, _PAGE, 6, "answered 502: 502 Bad Gateway", media_type="text/html"
    ),
    _status(
        "page_without_label",
        403,
        _PAGE.replace(b"502 Bad Gateway", b"Denied"),
        5,
        "answered 403: Denied",
        media_type="",
    ),
    _status(
        "words",
        500,
        b"Internal Server Error",
        6,
        "500: Internal Server Error",
        media_type="text/plain",
    ),
    _status("nothing", 400, b"", 5, "answered 400: no explanation"),
    _status("half", 500, b'{"error":{"message":"it broke","co', 6, "500: it broke"),
    _status("facts_only", 400, {"success": False, "code": 12}, 5, "code 12"),
    _status(
        "in_an_event",
        400,
        b'data: {"error":{"message":"no"}}\n\n' + DONE,
        5,
        "answered 400: no",
        media_type="text/event-stream",
    ),
    _status(
        "pretty",
        400,
        json.dumps({"error": {"message": "no"}}, indent=2).encode(),
        5,
        "answered 400: no",
    ),
    _status(
        "text",
        404,
        b"404 page not found",
        5,
        "404 page not found",
        dialect="ollama",
        media_type="text/plain",
    ),
    _status(
        "nested",
        400,
        {"error": _NESTED},
        5,
        "the prompt has 5024 tokens",
        "-o num_ctx=",
        dialect="ollama",
    ),
    _status(
        "sign_in",
        401,
        {
            "error": "unauthorized",
            "signin_url": "https://ollama.com/connect?name=pc&key=abc",
        },
        5,
        "answered 401: unauthorized",
        "visit https://ollama.com/connect?name=pc&key=abc",
        dialect="ollama",
    ),
    _status(
        "memory",
        500,
        {
            "error": "model requires more system memory (5.0 GiB) than is"
            " available (3.9 GiB)"
        },
        6,
        "more system memory",
        "a smaller model",
        dialect="ollama",
    ),
)

_MODELS = (
    {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError"}},
    {
        "error": {
            "message": "The model `x` has been decommissioned",
            "code": "model_dec",
        }
    },
    {"error": {"message": "x is not a valid model ID", "code": 400}},
    {"error": {"message": "No endpoints found for x."}},
    {"error": {"message": "Not found the model x or Permission denied"}},
    {"error": {"message": 'litellm.NotFoundError: {"error":"model \'x\' not found"}'}},
    {"object": "error", "message": "The model `x` does not exist.", "code": 404},
    {"error": {"message": "Unable to access model x. Please visit https://a.b/models"}},
    {"error": {"message": "There are no healthy deployments for this model"}},
    {"detail": "Model 'x' not found"},
)
_UNKNOWN_MODELS: tuple[Case, ...] = tuple(
    _status(f"unknown_model_{n}", 404, body, 5, "model 'm' not found on")
    for n, body in enumerate(_MODELS)
)

TOO_LONG = (
    "request (5024 tokens) exceeds the available context size (2048 tokens)",
    "This model's maximum context length is 8192 tokens. However, you requested 9001",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "Input is too long for requested model.",
    "Your input exceeds the context window of this model. Please adjust your input",
    "The input token count (1196265) exceeds the maximum number of tokens allowed",
    "This model's maximum prompt length is 131072 but the request contains 537812",
    "Please reduce the length of the messages or completion.",
    "The input (300 tokens) is longer than the model's context length (200 tokens).",
    "prompt token count of 5000 exceeds the limit of 4096",
    "invalid params, context window exceeds limit",
    "Invalid request: Your request exceeded model token limit: 128000",
    "Prompt contains 5000 tokens, too large for model with 4096 maximum context length",
    "prompt too long; exceeded max context length by 12 tokens",
    "Requested tokens (5031) exceed context window of 2048",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096.",
    (
        "Trying to keep the first 4860 tokens when context the overflows. However, the"
        " model is loaded with context length of only 4096 tokens, which is not enough."
    ),
    (
        "The number of tokens to keep from the initial prompt is greater than the"
        " context length"
    ),
    "Range of input length should be [1, 30000]",
    "Prompt has 5000 tokens, but the configured context size is 4096 tokens",
    "Input length (265330) exceeds model's maximum context length (262144).",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "Input length exceeds the maximum allowed input length of 131040 tokens",
    "the input is larger than the kv cache",
)
_TOO_LONG: tuple[Case, ...] = (
    *(
        _status(f"too_long_{n}", 400, {"error": {"message": text}}, 5, "too long")
        for n, text in enumerate(TOO_LONG)
    ),
    *(
        bad(
            f"too_long_in_a_stream_{n}",
            sse({"error": {"message": text}}),
            5,
            "too long for the model's context on openai at http",
        )
        for n, text in enumerate(TOO_LONG[::4])
    ),
    _status(
        "rate_limit_is_not_too_long",
        429,
        {
            "error": {
                "message": "Request too large on tokens per minute (TPM): Limit 6000,"
                " Requested 6500. Please reduce the length of the messages",
                "code": "rate_limit_exceeded",
            }
        },
        6,
        "answered 429: Request too large",
    ),
    _status(
        "too_long_behind_a_gateway",
        500,
        {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}},
        5,
        "too long",
    ),
)

_ERROR = {"error": {"message": "it broke", "type": "server_error", "code": 502}}
_BESIDE: tuple[Case, ...] = (
    # OpenRouter's documented error in mid-stream.
    bad(
        "beside_choices",
        sse(*HELLO, chunk("", "error", **_ERROR)),
        6,
        "openai at http",
        "reports: it broke",
        out="Hello there",
    ),
    bad(
        "beside_choices_that_say_stop",
        sse(*HELLO, chunk("", "stop", **_ERROR)),
        6,
        "reports: it broke",
        out="Hello there",
    ),
    bad(
        "before_the_text_of_its_chunk",
        sse(chunk("Hello"), chunk(" lost", **_ERROR)),
        6,
        "it broke",
        out="Hello",
    ),
    bad(
        "inside_a_choice",
        sse(*HELLO, {"choices": [{"index": 0, "delta": {"content": ""}, **_ERROR}]}),
        6,
        "it broke",
        out="Hello there",
    ),
    bad("inside_a_delta", sse(delta_of({"error": "it broke"})), 6, "it broke"),
    bad("in_a_list", sse(*HELLO, [_ERROR]), 6, "it broke", out="Hello there"),
    bad("as_the_document", packed(_ERROR), 6, "reports: it broke", media_type=JSON),
    bad("as_a_list", packed([_ERROR]), 6, "reports: it broke", media_type=JSON),
    bad("as_text", sse({"error": "it broke"}), 6, "it broke"),
    bad(
        "message_alone_in_a_stream",
        sse({"message": "it broke", "code": 1}),
        6,
        "it broke",
    ),
    bad("detail_alone", packed({"detail": "it broke"}), 6, "it broke", media_type=JSON),
    bad("event_of_words", b"event: error\ndata: it broke\n\n", 6, "reports: it broke"),
    bad(
        "event_of_a_message",
        sse(*HELLO, b'event: error\ndata: {"message":"it broke"}\n\n'),
        6,
        "it broke",
        out="Hello there",
    ),
    bad(
        "unframed",
        sse(*HELLO, packed(_ERROR) + b"\n", end=b""),
        6,
        "it broke",
        out="Hello there",
    ),
    bad(
        "unframed_over_lines",
        sse(*HELLO, json.dumps(_ERROR, indent=2).encode() + b"\n", end=b""),
        6,
        "it broke",
        out="Hello there",
    ),
    bad(
        "unframed_before_done",
        sse(*HELLO, packed(_ERROR) + b"\n"),
        6,
        "it broke",
        out="Hello there",
    ),
    # TGI: a 200 for what is a 422 without a stream.
    bad(
        "tgi",
        sse({"error": "Input validation error: inputs must be odd", "error_type": "v"}),
        6,
        "inputs must be odd",
    ),
    bad(
        "vllm_flat",
        sse({"object": "error", "message": "it broke", "code": 500}),
        6,
        "it broke",
    ),
    bad(
        "unknown_model_in_a_stream",
        sse({"error": "model 'm' not found"}),
        5,
        "model 'm' not found on openai at",
    ),
    bad(
        "lm_studio_path",
        packed({"error": "Unexpected endpoint or method. (POST /x)"}),
        5,
        "Unexpected endpoint or method",
    ),
    bad(
        "broken_json",
        sse(*HELLO, b'data: {"choices":[{"de\n\n'),
        7,
        "openai at http",
        "holds broken JSON",
        out="Hello there",
    ),
    bad(
        "words_as_data",
        sse(*HELLO, b"data: internal error!\n\n"),
        7,
        "openai at http",
        "'internal error!'",
        out="Hello there",
    ),
    bad(
        "in_a_line",
        lines(line("Hello"), {"error": "unexpected EOF"}),
        6,
        "ollama at http",
        "reports: unexpected EOF",
        out="Hello",
        dialect="ollama",
    ),
    bad(
        "beside_a_message",
        lines(line("Hello"), line("", done=True, error="it broke")),
        6,
        "it broke",
        out="Hello",
        dialect="ollama",
    ),
    bad(
        "broken_line",
        lines(line("Hello")) + b'{"model":"m","mess\n',
        7,
        "ollama at http",
        "holds broken JSON",
        out="Hello",
        dialect="ollama",
    ),
)

ERRORS: tuple[Case, ...] = (*_BODIES, *_UNKNOWN_MODELS, *_TOO_LONG, *_BESIDE)
