"""List the faults of streams: end markers, errors inside a 200 reply, no stream.

The HTTP is right in all of them.
"""

from ..ollama_speech import OllamaSpeech
from ..speech import Answer, Speech, whole_reply
from ..steps import Body, EndBody, Over, Reply
from ..wire import event, json_bytes
from .kinds import (
    OPENAI,
    Build,
    Kind,
    Tokens,
    bodies,
    ended,
    frames_of,
    none_of,
    spoken,
    spoken_whole,
)

ERROR_TEXT = "the model runner has unexpectedly stopped"
_NESTED = (
    '{"error":{"code":400,"message":"request (5024 tokens) exceeds the available '
    'context size (2048 tokens), try increasing it","type":"exceed_context_size_error"'
    ',"n_prompt_tokens":5024,"n_ctx":2048}}'
)
_DONE = b"data: [DONE]\n\n"
_HTML = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>\n"


def _then(*frames: bytes) -> Build:
    """Return a builder of tokens, raw frames and the end of the body."""
    return lambda speech, tokens: (*spoken(speech, tokens), *bodies(frames), EndBody())


def _then_value(value: object, *after: bytes) -> Build:
    """Return a builder of tokens, a framed JSON value and the end of the body."""
    return lambda speech, tokens: (
        *spoken(speech, tokens),
        Body(speech.say(value)),
        *bodies(after),
        EndBody(),
    )


def _without_done(speech: Speech, tokens: Tokens) -> Reply:
    return (*spoken_whole(speech, tokens)[:-2], EndBody())


def _without_final_blank(speech: Speech, tokens: Tokens) -> Reply:
    *steps, _, end = spoken_whole(speech, tokens)
    last = speech.ending(Answer(tokens))[-1].rstrip(b"\n")
    return (*steps, Body(last), end)


def _text_after_end(speech: Speech, tokens: Tokens) -> Reply:
    surplus = Body(speech.text("after the end"))
    return (*spoken_whole(speech, tokens)[:-1], surplus, EndBody())


def _ended_twice(speech: Speech, tokens: Tokens) -> Reply:
    again = bodies(speech.ending(Answer(tokens)))
    return (*spoken_whole(speech, tokens)[:-1], *again, EndBody())


def _reencoded(speech: Speech, tokens: Tokens) -> Reply:
    lost = json_bytes(speech.piece("")).replace(b'"alpha:latest"', b'""')
    return (*spoken(speech, tokens), Body(speech.frame(lost)), EndBody())


def _not_streamed(speech: Speech, tokens: Tokens) -> Reply:
    return speech.reply(speech.whole(Answer(tokens)))


def _in_other_dialect(speech: Speech, tokens: Tokens) -> Reply:
    answer = frames_of(OllamaSpeech(), tokens)
    if speech.dialect == "ollama":
        answer = [event(frame.rstrip(b"\n")) for frame in answer]
    return (speech.head(), *bodies(answer), EndBody())


def _cut_length(speech: Speech, tokens: Tokens) -> Reply:
    frames = bodies(speech.ending(Answer(tokens, finish_reason="length")))
    return (*spoken(speech, tokens), Over(), *frames, EndBody())


END_KINDS = (
    Kind("no_end_marker", "cut", "after the tokens, the body ends in order", _then()),
    Kind(
        "end_marker_without_line_end",
        "whole",
        "the last frame has no line end, the body ends there",
        _without_final_blank,
    ),
    Kind(
        "text_after_end",
        "whole",
        "text comes after the end marker; it does not count",
        _text_after_end,
    ),
    Kind("ended_twice", "whole", "the end markers come twice", _ended_twice),
    Kind(
        "finish_without_done",
        "whole",
        "finish reason and usage come, [DONE] does not",
        _without_done,
        dialects=OPENAI,
    ),
    Kind(
        "done_without_finish",
        "cut",
        "[DONE] comes without a finish reason, which proves nothing",
        _then(_DONE),
        dialects=OPENAI,
    ),
    Kind(
        "finish_reason_length",
        "cut",
        "a whole reply whose reason says that a limit cut the answer, not the user's",
        _cut_length,
    ),
)

ERROR_KINDS = (
    Kind(
        "error_text",
        "error",
        'after the tokens {"error": "text"}, then the body ends',
        _then_value({"error": ERROR_TEXT}),
    ),
    Kind(
        "error_object",
        "error",
        'after the tokens {"error": {message, type, code}}, then the body ends',
        _then_value(
            {"error": {"code": 500, "message": ERROR_TEXT, "type": "server_error"}}
        ),
    ),
    Kind(
        "error_nested_json",
        "error",
        "after the tokens an error whose text is JSON of another error",
        _then_value({"error": _NESTED}),
    ),
    Kind(
        "error_flat",
        "error",
        'after the tokens {"object": "error", "message": "text"}, as old vLLM',
        _then_value(
            {
                "object": "error",
                "message": ERROR_TEXT,
                "type": "InternalServerError",
                "param": None,
                "code": 500,
            }
        ),
    ),
    Kind(
        "error_then_end_marker",
        "error",
        "after the tokens an error object, then a good end, which proves nothing",
        lambda speech, tokens: (
            *spoken(speech, tokens),
            Body(speech.say(speech.error(ERROR_TEXT))),
            *ended(speech, tokens),
        ),
    ),
    Kind(
        "error_then_done",
        "error",
        "after the tokens an error object and [DONE], as vLLM",
        _then_value({"error": {"message": ERROR_TEXT, "code": 500}}, _DONE),
        dialects=OPENAI,
    ),
    Kind(
        "error_event",
        "error",
        'after the tokens "event: error" with an error object, as LM Studio',
        _then(
            event(
                json_bytes({"error": {"message": ERROR_TEXT}, "message": ERROR_TEXT}),
                "error",
            )
        ),
        dialects=OPENAI,
    ),
    Kind(
        "error_event_bare",
        "error",
        'after the tokens "event: error" whose object has a message but no error',
        _then(event(json_bytes({"message": ERROR_TEXT}), "error")),
        dialects=OPENAI,
    ),
    Kind(
        "error_field",
        "error",
        'after the tokens a field "error:" instead of "data:", then [DONE], as old '
        "llama.cpp",
        _then(
            b"error: "
            + json_bytes({"code": 500, "message": ERROR_TEXT, "type": "server_error"})
            + b"\n\n",
            _DONE,
        ),
        dialects=OPENAI,
    ),
    Kind(
        "error_unframed",
        "error",
        "after the tokens an error object as a bare line of JSON",
        _then(json_bytes({"error": {"message": ERROR_TEXT}}) + b"\n"),
        dialects=OPENAI,
    ),
    Kind(
        "error_lost",
        "cut",
        "after the tokens an empty piece of a model without name, then the body ends: "
        "what Ollama's /v1 makes of an error",
        _reencoded,
        dialects=OPENAI,
    ),
)

NO_STREAM_KINDS = (
    Kind(
        "not_streamed",
        "whole",
        "the answer comes whole, as plain JSON",
        _not_streamed,
    ),
    Kind(
        "error_instead_of_stream",
        "refused",
        "status 200 and a body that is an error object, as LM Studio on a wrong path",
        lambda speech, tokens: speech.reply(
            {"error": f"Unexpected endpoint or method. (POST {speech.chat_path})"}
        ),
        none_of,
    ),
    Kind(
        "html_instead_of_stream",
        "malformed",
        "status 200 and a page of HTML",
        lambda speech, tokens: whole_reply(_HTML, "text/html; charset=utf-8"),
        none_of,
    ),
    Kind(
        "html_under_stream_type",
        "malformed",
        "a page of HTML under the content type of a stream",
        lambda speech, tokens: whole_reply(_HTML, speech.stream_type),
        none_of,
    ),
    Kind(
        "empty_body",
        "cut",
        "status 200 and no body at all: no end marker came",
        lambda speech, tokens: whole_reply(b"", speech.stream_type),
        none_of,
    ),
    Kind(
        "no_content",
        "cut",
        "status 204, which has no body: no end marker came, nor can one",
        lambda speech, tokens: whole_reply(b"", None, 204),
        none_of,
        # Nothing broke off: the server said in good order that it has no answer.
        also="malformed",
    ),
    Kind(
        "other_dialect",
        "malformed",
        "Ollama's lines as events (Ollama), or as lines where events belong (OpenAI)",
        _in_other_dialect,
        none_of,
    ),
)

STREAM_KINDS = (*END_KINDS, *ERROR_KINDS, *NO_STREAM_KINDS)
