"""List the faults of arrival: how bytes are cut, how slow and how many they are.

The text is right in all of them; a client that depends on how bytes come is not.
"""

from collections.abc import Callable, Iterator

from ..speech import Speech
from ..steps import (
    Body,
    Bytewise,
    EndBody,
    Over,
    Pause,
    Repeat,
    Reply,
    Step,
    Together,
)
from .kinds import (
    OPENAI,
    Build,
    Kind,
    Tokens,
    all_and,
    bodies,
    ended,
    frames_of,
    spoken,
    spoken_whole,
    whole_body,
)

WIDE_TEXT = "äß€漢😀e\u0301"
"""Characters of two, three and four bytes, and one of two code points."""

LONG_LINE_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
FLOOD = "more " * 200
SLOW = "more "
_FLOOD_FRAMES = 50
_DRIP_S = 0.05
_MARK = "MARK"

Cut = Callable[[bytes], list[bytes]]


def _cut(cut: Cut, translate: Callable[[bytes], bytes] = bytes) -> Build:
    """Return a builder of a good body in translated bytes and the chunks of `cut`."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        data = translate(b"".join(frames_of(speech, tokens)))
        text = translate(b"".join(speech.start(tokens)))
        return (speech.head(), *_over_at(len(text), cut(data)), EndBody())

    return build


def _over_at(text_bytes: int, pieces: list[bytes]) -> Iterator[Step]:
    """Yield the pieces, with `Over` before the first that holds a part of the end."""
    before = 0
    for piece in pieces:
        if before <= text_bytes < before + len(piece):
            yield Over()
        before += len(piece)
        yield Body(piece)


def _after(mark: bytes) -> Cut:
    """Return a function that cuts behind each `mark`."""

    def cut(data: bytes) -> list[bytes]:
        *parts, last = data.split(mark)
        return [part + mark for part in parts] + ([last] if last else [])

    return cut


def _before_line_feeds(data: bytes) -> list[bytes]:
    parts = [part for piece in data.split(b"\n") for part in (piece, b"\n")]
    return [part for part in parts[:-1] if part]


def _whole(data: bytes) -> list[bytes]:
    return [data]


def _inside_characters(data: bytes) -> list[bytes]:
    """Cut before every byte that continues a UTF-8 character."""
    cuts = [at for at, byte in enumerate(data) if byte & 0xC0 == 0x80]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _bytes(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


def _to_crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _to_cr(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r")


def _with_mark(data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


def _wide(cut: Cut) -> Build:
    build = _cut(cut)
    return lambda speech, tokens: build(speech, [*tokens, WIDE_TEXT])


def _around(speech: Speech) -> tuple[bytes, bytes]:
    """Return a frame of text taken apart where its text would stand."""
    before, _, after = speech.text(_MARK).partition(_MARK.encode())
    return before, after


def _long_line(speech: Speech, tokens: Tokens) -> Reply:
    before, after = _around(speech)
    block = Body(b"x" * _BLOCK_BYTES)
    return (
        *spoken(speech, tokens),
        Body(before),
        Repeat((block,), LONG_LINE_BYTES // _BLOCK_BYTES),
        Body(after),
        *ended(speech, tokens),
    )


def _endless_line(speech: Speech, tokens: Tokens) -> Reply:
    before, _ = _around(speech)
    block = Body(b"x" * _BLOCK_BYTES)
    return (*spoken(speech, tokens), Body(before), Repeat((block,)))


def _endless_drip(speech: Speech, tokens: Tokens) -> Reply:
    before, _ = _around(speech)
    return (*spoken(speech, tokens), Repeat((Bytewise(before, _DRIP_S),)))


def _slow_tokens(speech: Speech, tokens: Tokens) -> Reply:
    token = Body(speech.text(SLOW))
    return (*spoken(speech, tokens), Repeat((token, Pause(_DRIP_S))))


def _endless(frame: Callable[[Speech], bytes]) -> Build:
    return lambda speech, tokens: (
        *spoken(speech, tokens),
        Repeat((Body(frame(speech)),)),
    )


def keep_alive(speech: Speech) -> bytes:
    """Return what a server sends while it has nothing to say: a comment, a blank."""
    return b":\n\n" if speech.dialect == "openai" else b"\n"


def _kept_alive(speech: Speech, tokens: Tokens) -> Reply:
    pings = [keep_alive(speech)]
    if speech.dialect == "openai":
        pings += [b": ping - 2026-11-23\n\n", b": OPENROUTER PROCESSING\n\n"]
    between: Reply = bodies(pings)
    body = whole_body(speech, tokens)
    steps = [part for step in body for part in (*between, step)]
    return (speech.head(), *steps, EndBody())


ARRIVAL_KINDS = (
    Kind(
        "one_byte_at_a_time",
        "whole",
        "each byte of the body is a chunk and a write of its own",
        _cut(_bytes),
    ),
    Kind(
        "characters_cut",
        "whole",
        "every character beyond ASCII is cut between its bytes by a chunk border",
        _wide(_inside_characters),
        all_and(WIDE_TEXT),
    ),
    Kind(
        "several_events_in_one_read",
        "whole",
        "the whole body is one chunk",
        _cut(_whole),
    ),
    Kind(
        "everything_in_one_write",
        "whole",
        "head, body and last chunk leave in one write",
        lambda speech, tokens: (Together(spoken_whole(speech, tokens)),),
    ),
    Kind(
        "lf_cut",
        "whole",
        "each line feed is a chunk of its own",
        _cut(_before_line_feeds),
    ),
    Kind("crlf", "whole", "lines end with CR LF", _cut(_after(b"\r\n"), _to_crlf)),
    Kind(
        "crlf_cut",
        "whole",
        "lines end with CR LF, cut between the two",
        _cut(_after(b"\r"), _to_crlf),
    ),
    Kind(
        "cr",
        "whole",
        "lines end with CR alone, events are whole",
        _cut(_after(b"\r\r"), _to_cr),
        dialects=OPENAI,
    ),
    Kind(
        "cr_cut",
        "whole",
        "lines end with CR alone, each at the end of a chunk",
        _cut(_after(b"\r"), _to_cr),
        dialects=OPENAI,
    ),
    Kind(
        "byte_order_mark",
        "whole",
        "the body begins with a UTF-8 byte order mark",
        _cut(_whole, _with_mark),
        dialects=OPENAI,
    ),
    Kind(
        "keep_alives",
        "whole",
        "comments (OpenAI) or blank lines (Ollama) before every frame",
        _kept_alive,
    ),
    Kind(
        "line_64_mib",
        "limit",
        "after the tokens, one line of 64 MiB, then a good end",
        _long_line,
    ),
    Kind(
        "line_endless",
        "limit",
        "after the tokens, a line that never ends, faster than any time-out",
        _endless_line,
    ),
    Kind(
        "drip_endless",
        "endless",
        "after the tokens, a line that never ends, a byte every 50 ms",
        _endless_drip,
    ),
    Kind(
        "keep_alives_endless",
        "endless",
        "after the tokens, nothing but keep-alives for ever",
        _endless(keep_alive),
    ),
    Kind(
        "empty_tokens_endless",
        "endless",
        "after the tokens, pieces without any text for ever",
        _endless(lambda speech: speech.text("")),
    ),
    Kind(
        "tokens_endless",
        "limit",
        "text for ever, faster than any time-out",
        _endless(lambda speech: speech.text(FLOOD) * _FLOOD_FRAMES),
    ),
    Kind(
        "tokens_slow_endless",
        "endless",
        "text for ever, a token every 50 ms: less than any limit",
        _slow_tokens,
    ),
)
