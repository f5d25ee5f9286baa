"""List the faults of server-sent events: legal spellings that clients trip over.

See: WHATWG server-sent events, section 9.2.6.
"""

from ..speech import Answer, Speech
from ..steps import Body, EndBody, Over, Reply
from ..wire import json_bytes
from .kinds import OPENAI, Build, Kind, Tokens, all_and, bodies, ended, spoken

_TEXT = "spread"


def _with_empty_event(speech: Speech, tokens: Tokens) -> Reply:
    return (*spoken(speech, tokens), Body(speech.frame(b"")), *ended(speech, tokens))


def _pretty(speech: Speech, tokens: Tokens) -> Reply:
    text = json_bytes(speech.piece(_TEXT)).replace(b',"', b',\ndata: "')
    return (*spoken(speech, tokens), Body(speech.frame(text)), *ended(speech, tokens))


def _respelled(old: bytes, new: bytes) -> Build:
    """Return a builder of good events whose `data: ` is spelled otherwise."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        text = [frame.replace(old, new) for frame in speech.start(tokens)]
        end = [frame.replace(old, new) for frame in speech.ending(Answer(tokens))]
        return (speech.head(), *bodies(text), Over(), *bodies(end), EndBody())

    return build


EVENT_KINDS = (
    Kind(
        "data_without_space",
        "whole",
        "events say data:{...} without a space",
        _respelled(b"data: ", b"data:"),
        dialects=OPENAI,
    ),
    Kind(
        "data_in_several_lines",
        "whole",
        "after the tokens, an event whose JSON is spread over several data lines",
        _pretty,
        all_and(_TEXT),
        dialects=OPENAI,
    ),
    Kind(
        "data_empty",
        "whole",
        "after the tokens, an event without data; it does not count",
        _with_empty_event,
        dialects=OPENAI,
    ),
    Kind(
        "event_fields",
        "whole",
        "events carry id, event, retry and unknown fields, which mean nothing here",
        _respelled(b"data: ", b"id: 1\nevent: message\nretry: 10\nx\ny: z\ndata: "),
        dialects=OPENAI,
    ),
)
