"""List the faults of payloads: JSON that is broken, absurd, of another type or shape.

HTTP and framing are right; one frame between the tokens and a good end is not.
"""

from collections.abc import Callable
from typing import Any

from ..speech import Answer, Speech
from ..steps import Body, EndBody, Over, Reply
from ..wire import json_bytes
from .kinds import (
    OLLAMA,
    OPENAI,
    Build,
    Kind,
    Outcome,
    Tokens,
    all_and,
    bodies,
    ended,
    spoken,
)

DEPTH = 100_000
DIGITS = 5_000
_MARK = "MARK"
_PAIR = "a😀b"


def _framed(payload: Callable[[Speech], bytes]) -> Build:
    """Return a builder with a framed payload between the tokens and a good end."""
    return lambda speech, tokens: (
        *spoken(speech, tokens),
        Body(speech.frame(payload(speech))),
        *ended(speech, tokens),
    )


def _literal(payload: bytes) -> Build:
    return _framed(lambda speech: payload)


def _inside_text(raw: bytes) -> Build:
    """Return a builder of a piece of text with raw bytes between its quotes."""
    return _framed(
        lambda speech: json_bytes(speech.piece(_MARK)).replace(_MARK.encode(), raw)
    )


def _with_field(raw: bytes) -> Build:
    """Return a builder of a good piece without text that has one odd field more."""
    return _framed(lambda speech: json_bytes(speech.piece(""))[:-1] + b',"x":%b}' % raw)


def _content(value: object) -> Build:
    return _framed(lambda speech: json_bytes(speech.piece(value)))


def _altered(ollama: dict[str, Any], openai: dict[str, Any]) -> Build:
    """Return a builder of a piece with some of its fields replaced."""

    def payload(speech: Speech) -> bytes:
        changes = ollama if speech.dialect == "ollama" else openai
        return json_bytes(speech.piece("") | changes)

    return _framed(payload)


def _choice(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "finish_reason": None} | fields]}


def _without(*names: str) -> Build:
    def payload(speech: Speech) -> bytes:
        piece = speech.piece("")
        return json_bytes({k: v for k, v in piece.items() if k not in names})

    return _framed(payload)


def _nonsense_usage(speech: Speech, tokens: Tokens) -> Reply:
    frames = speech.ending(Answer(tokens))
    counts = (
        b"prompt_tokens",
        b"completion_tokens",
        b"prompt_eval_count",
        b"eval_count",
    )
    for count in counts:
        frames = [
            frame.replace(b'"%b":' % count, b'"%b":-' % count) for frame in frames
        ]
    return (*spoken(speech, tokens), Over(), *bodies(frames), EndBody())


def _one(
    name: str, outcome: Outcome, about: str, build: Build, extra: str = ""
) -> Kind:
    return Kind(name, outcome, f"after the tokens, {about}", build, all_and(extra))


BROKEN_KINDS = (
    _one(
        "json_broken",
        "malformed",
        "JSON without its end",
        _framed(lambda speech: json_bytes(speech.piece(_MARK))[:-6]),
    ),
    _one("json_words", "malformed", "words, no JSON", _literal(b"internal error!")),
    _one("json_twice", "malformed", "two values in one frame", _literal(b"{}{}")),
    _one("json_list", "malformed", "a list, no object", _literal(b"[1,2]")),
    _one("json_string", "malformed", "a string, no object", _literal(b'"text"')),
    _one("json_number", "malformed", "a number, no object", _literal(b"42")),
    _one("json_true", "malformed", "true, no object", _literal(b"true")),
    _one("json_null", "malformed", "null, no object", _literal(b"null")),
    _one("json_empty", "whole", "an object without a field", _literal(b"{}")),
    _one("json_too_deep", "malformed", "100,000 brackets", _literal(b"[" * DEPTH)),
    _one(
        "json_field_too_deep",
        "malformed",
        "an unasked field, 100,000 lists deep: RFC 8259 lets a reader refuse it",
        _with_field(b"[" * DEPTH + b"]" * DEPTH),
    ),
    _one("json_nan", "malformed", "a NaN, which is no JSON", _with_field(b"NaN")),
    _one(
        "json_infinity",
        "malformed",
        "-Infinity, which is no JSON",
        _with_field(b"-Infinity"),
    ),
    _one(
        "json_5000_digits",
        "malformed",
        "an integer of 5,000 digits: RFC 8259 lets a reader refuse it",
        _with_field(b"9" * DIGITS),
    ),
    _one(
        "json_raw_control",
        "malformed",
        "a raw control character in a string, against RFC 8259",
        _inside_text(b"a\x0bb"),
    ),
    _one(
        "json_bad_escape",
        "malformed",
        "an escape that JSON does not have",
        _inside_text(rb"\x41"),
    ),
)

SHAPE_KINDS = (
    _one("content_number", "malformed", "a number where text belongs", _content(42)),
    _one("content_true", "malformed", "true where text belongs", _content(True)),
    _one("content_list", "malformed", "a list where text belongs", _content(["a"])),
    _one("content_object", "malformed", "an object where text belongs", _content({})),
    _one("content_null", "whole", "null where text belongs", _content(None)),
    _one(
        "message_string",
        "malformed",
        "text where the message object or delta belongs",
        _altered({"message": "text"}, _choice(delta="text")),
    ),
    Kind(
        "message_null",
        "whole",
        "after the tokens, a line whose message is null",
        _altered({"message": None}, {}),
        dialects=OLLAMA,
    ),
    Kind(
        "message_missing",
        "whole",
        "after the tokens, a line without a message",
        _without("message"),
        dialects=OLLAMA,
    ),
    Kind(
        "delta_null",
        "whole",
        "after the tokens, a chunk whose delta is null",
        _altered({}, _choice(delta=None)),
        dialects=OPENAI,
    ),
    Kind(
        "delta_missing",
        "whole",
        "after the tokens, a chunk without a delta",
        _altered({}, _choice()),
        dialects=OPENAI,
    ),
    Kind(
        "choices_empty",
        "whole",
        "after the tokens, a chunk with an empty list of choices",
        _altered({}, {"choices": []}),
        dialects=OPENAI,
    ),
    Kind(
        "choices_null",
        "whole",
        "after the tokens, a chunk with null for choices",
        _altered({}, {"choices": None}),
        dialects=OPENAI,
    ),
    Kind(
        "choices_missing",
        "whole",
        "after the tokens, a chunk without choices",
        _without("choices"),
        dialects=OPENAI,
    ),
    Kind(
        "choices_object",
        "malformed",
        "after the tokens, a chunk whose choices are an object",
        _altered({}, {"choices": {"0": {}}}),
        dialects=OPENAI,
    ),
    Kind(
        "choices_of_strings",
        "malformed",
        "after the tokens, a chunk whose choices are strings",
        _altered({}, {"choices": ["text"]}),
        dialects=OPENAI,
    ),
    _one(
        "unknown_fields",
        "whole",
        "a piece with fields nobody knows",
        _with_field(b'{"deep":[1,2,{"er":null}]}'),
    ),
    Kind(
        "usage_negative",
        "whole",
        "the token counts are below zero; no counts came, then",
        _nonsense_usage,
    ),
)

ENCODING_KINDS = (
    _one(
        "lone_surrogate",
        "whole",
        "half a surrogate pair as an escape",
        _inside_text(rb"\ud83d"),
        "\ufffd",
    ),
    _one(
        "surrogate_pair",
        "whole",
        "a whole surrogate pair as escapes",
        _inside_text(rb"a\ud83d\ude00b"),
        _PAIR,
    ),
    _one(
        "utf8_invalid",
        "whole",
        "bytes that UTF-8 never has",
        _inside_text(b"a\xff\xfeb"),
        "a\ufffd\ufffdb",
    ),
    _one(
        "utf8_cut",
        "whole",
        "two of the three bytes of a character",
        _inside_text(b"a\xe2\x82b"),
        "a\ufffdb",
    ),
)

PAYLOAD_KINDS = (*BROKEN_KINDS, *SHAPE_KINDS, *ENCODING_KINDS)
