"""List the faults of connections: refused, reset, closed, silent, at every moment.

Nothing here is wrong with what is said, only with when it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from ..speech import Answer, Speech
from ..steps import (
    Body,
    Close,
    Over,
    Raw,
    Reply,
    Reset,
    Silence,
    Step,
    WaitForBytes,
)
from .kinds import (
    OPENAI,
    Build,
    Kind,
    Outcome,
    Tokens,
    all_of,
    none_of,
    nothing,
    spoken,
    spoken_whole,
    whole_body,
)

_HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Ty"
_HALF_CHUNK = b"40\r\n"


@dataclass(frozen=True, slots=True)
class _End:
    """Hold one of the three ways in which a connection ends, or does not."""

    name: str
    step: Step
    says: str
    outcome_after_head: Outcome
    outcome_before_head: Outcome


_ENDS = (
    _End("close", Close(), "the connection is closed", "cut", "lost"),
    _End("reset", Reset(), "the connection is reset", "cut", "lost"),
    _End("silent", Silence(), "nothing more comes", "silent", "silent"),
)


def _inside_headers(speech: Speech, tokens: Tokens) -> Reply:
    return (Raw(_HALF_HEAD),)


def _after_headers(speech: Speech, tokens: Tokens) -> Reply:
    return (speech.head(),)


def _inside_chunk(speech: Speech, tokens: Tokens) -> Reply:
    half = speech.text("never whole")[:20]
    return (*spoken(speech, tokens), Raw(_HALF_CHUNK + half))


def _inside_chunk_size(speech: Speech, tokens: Tokens) -> Reply:
    return (*spoken(speech, tokens), Raw(b"4"))


def _then(build: Build, *steps: Step) -> Build:
    return lambda speech, tokens: (*build(speech, tokens), *steps)


@dataclass(frozen=True, slots=True)
class _Moment:
    """Hold one of the moments at which a connection can end."""

    name: str
    says: str
    build: Build
    has_head: bool = True
    has_text: bool = True


_MOMENTS = (
    _Moment("before_headers", "before any byte of the reply", nothing, False, False),
    _Moment(
        "inside_headers", "in the middle of the headers", _inside_headers, False, False
    ),
    _Moment(
        "after_headers",
        "after the headers, before any text",
        _after_headers,
        has_text=False,
    ),
    _Moment("between_chunks", "after the tokens, between two chunks", spoken),
    _Moment(
        "inside_chunk", "after the tokens, in the middle of a chunk", _inside_chunk
    ),
    _Moment(
        "inside_chunk_size",
        "after the tokens, in the middle of a chunk's size",
        _inside_chunk_size,
    ),
)


def _endings() -> Iterator[Kind]:
    for moment, end in product(_MOMENTS, _ENDS):
        name = f"{end.name}_{moment.name}"
        outcome = end.outcome_after_head if moment.has_head else end.outcome_before_head
        about = f"{moment.says}, {end.says}"
        kept = all_of if moment.has_text else none_of
        yield Kind(name, outcome, about, _then(moment.build, end.step), kept)


def _without_last_chunk(speech: Speech, tokens: Tokens) -> Reply:
    return (speech.head(), *whole_body(speech, tokens))


def _finish_then_silence(speech: Speech, tokens: Tokens) -> Reply:
    finish = speech.ending(Answer(tokens))[0]
    return (*spoken(speech, tokens), Over(), Body(finish), Silence())


CONNECTION_KINDS = (
    Kind(
        "refused",
        "lost",
        "nobody listens on the port",
        nothing,
        none_of,
        place="address",
    ),
    Kind(
        "full_backlog",
        "silent",
        "the port listens, its backlog is full: a connect is not answered",
        nothing,
        none_of,
        place="address",
    ),
    Kind(
        "black_hole",
        "silent",
        "the connection is accepted, nothing is read and nothing is said",
        lambda speech, tokens: (Silence(),),
        none_of,
        place="connection",
    ),
    Kind(
        "reset_on_connect",
        "lost",
        "the connection is reset as soon as it is accepted",
        lambda speech, tokens: (Reset(),),
        none_of,
        place="connection",
    ),
    Kind(
        "close_on_connect",
        "lost",
        "the connection is closed as soon as it is accepted",
        lambda speech, tokens: (Close(),),
        none_of,
        place="connection",
    ),
    *_endings(),
    Kind(
        "chunks_without_end",
        "whole",
        "the end marker comes, the connection is closed without the last chunk",
        _then(_without_last_chunk, Close()),
    ),
    Kind(
        "reset_after_end_marker",
        "whole",
        "the end marker comes, the connection is reset without the last chunk",
        _then(_without_last_chunk, Reset()),
    ),
    Kind(
        "open_after_end_marker",
        "whole",
        "the end marker comes, the body is left open for ever",
        _then(_without_last_chunk, Silence()),
    ),
    Kind(
        "silent_after_finish_reason",
        "whole",
        "the finish reason comes, then neither usage nor [DONE] nor any end",
        _finish_then_silence,
        dialects=OPENAI,
    ),
    Kind(
        "closed_when_idle",
        "whole",
        "a good reply that promises to keep the connection, which is then closed",
        _then(spoken_whole, Close()),
    ),
    Kind(
        "closed_on_reuse",
        "whole",
        "a good reply; the next request on the connection is not read, but closed on",
        _then(spoken_whole, WaitForBytes(), Close()),
    ),
    Kind(
        "reset_on_reuse",
        "whole",
        "a good reply; the next request on the connection is met with a reset",
        _then(spoken_whole, WaitForBytes(), Reset()),
    ),
    Kind(
        "closes_twice_then_works",
        "whole",
        "two requests are closed on before any byte of a reply, the third is answered",
        lambda speech, tokens: (Close(),),
        none_of,
        strikes=2,
    ),
    Kind(
        "resets_twice_then_works",
        "whole",
        "two requests are reset before any byte of a reply, the third is answered",
        lambda speech, tokens: (Reset(),),
        none_of,
        strikes=2,
    ),
)
