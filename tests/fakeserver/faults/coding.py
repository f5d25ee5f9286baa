"""List the faults of content coding: gzip where nobody asked for it, and its bombs."""

import functools
import gzip
import operator
import zlib
from collections.abc import Iterator

from ..speech import Speech
from ..steps import Body, EndBody, Head, Over, Repeat, Reply, Respond, Step
from .kinds import Kind, Tokens, bodies, frames_of, none_of, spoken_whole

BOMB_BYTES = 1024 * 1024 * 1024
DOUBLE_BOMB_BYTES = 4 * BOMB_BYTES

_GZIP = ("Content-Encoding", "gzip")
_GZIP_TWICE = ("Content-Encoding", "gzip, gzip")
# zlib's codes for the largest window: in gzip's format, and without any.
_GZIP_WINDOW = 31
_RAW_WINDOW = -15
_CHECK_BITS = 32
_BLOCK = b"x" * (1024 * 1024)
_MARK = b"MARK"


def zipped_frames(frames: list[bytes]) -> list[bytes]:
    """Compress frames to one gzip member, each flushed so that it can be read at once.

    The last piece holds the trailer.
    """
    packer = zlib.compressobj(wbits=_GZIP_WINDOW)
    pieces = [
        packer.compress(frame) + packer.flush(zlib.Z_SYNC_FLUSH) for frame in frames
    ]
    return [*pieces, packer.flush()]


def _zipped(speech: Speech, tokens: Tokens) -> Reply:
    *pieces, last, trailer = zipped_frames(frames_of(speech, tokens))
    steps = (*bodies(pieces), Over(), Body(last), Body(trailer))
    return (speech.head(_GZIP), *steps, EndBody())


def _cut(speech: Speech, tokens: Tokens) -> Reply:
    """Say the tokens whole, then half of a piece, then end the body in good order."""
    pieces = zipped_frames([*speech.start(tokens), speech.text("never whole")])
    half = pieces[-2][: len(pieces[-2]) // 2]
    return (speech.head(_GZIP), *bodies(pieces[:-2]), Body(half), EndBody())


def _broken(speech: Speech, tokens: Tokens) -> Reply:
    pieces = zipped_frames(speech.start(tokens))[:-1]
    garbage = Body(b"\xff" * 64)
    return (speech.head(_GZIP), *bodies(pieces), garbage, EndBody())


def _mislabelled(speech: Speech, tokens: Tokens) -> Reply:
    return (speech.head(_GZIP), *spoken_whole(speech, tokens)[1:])


def _unlabelled(speech: Speech, tokens: Tokens) -> Reply:
    data = gzip.compress(b"".join(frames_of(speech, tokens)))
    return (speech.head(), Over(), Body(data), EndBody())


def bomb_pieces(before: bytes, after: bytes, size_bytes: int) -> Iterator[bytes]:
    """Yield a gzip member that inflates to `before`, so many times `x`, and `after`.

    `size_bytes` is rounded up to whole MiB. A block after a full flush always packs
    to the same bytes, so that only one is ever compressed.
    """
    packer = zlib.compressobj(wbits=_GZIP_WINDOW)
    yield packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    blocks = -(-size_bytes // len(_BLOCK))
    for _ in range(blocks):
        yield packed
    # The packer's own trailer would count one block: the end is written by hand.
    end = zlib.compressobj(wbits=_RAW_WINDOW)
    yield end.compress(after) + end.flush()
    check = zlib.crc32(after, _check_of_blocks(zlib.crc32(before), blocks))
    size = len(before) + blocks * len(_BLOCK) + len(after)
    yield check.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")


def _check_of_blocks(check: int, times: int) -> int:
    """Return the CRC-32 that `check` becomes after so many blocks more.

    Not block by block: over 4 GiB that is a pause in which a client gives up. For one
    block CRC-32 is an affine map of the bits it starts with, so it can be squared.
    """
    shift = zlib.crc32(_BLOCK, 0)
    columns = [zlib.crc32(_BLOCK, 1 << bit) ^ shift for bit in range(_CHECK_BITS)]
    while times:
        if times & 1:
            check = _mapped(columns, check) ^ shift
        shift ^= _mapped(columns, shift)
        columns = [_mapped(columns, column) for column in columns]
        times >>= 1
    return check


def _mapped(columns: list[int], bits: int) -> int:
    """Multiply a matrix over GF(2), given by its columns, with a vector of bits."""
    chosen = (column for bit, column in enumerate(columns) if bits >> bit & 1)
    return functools.reduce(operator.xor, chosen, 0)


def _around(speech: Speech, tokens: Tokens) -> tuple[bytes, bytes]:
    frames = frames_of(speech, [*tokens, _MARK.decode()])
    before, _, after = b"".join(frames).partition(_MARK)
    return before, after


def _bomb(speech: Speech, tokens: Tokens) -> Reply:
    before, after = _around(speech, tokens)
    return (
        speech.head(_GZIP),
        Respond(lambda request: map(Body, bomb_pieces(before, after, BOMB_BYTES))),
        EndBody(),
    )


def _double_bomb(speech: Speech, tokens: Tokens) -> Reply:
    before, after = _around(speech, tokens)

    def steps() -> Iterator[Step]:
        packer = zlib.compressobj(wbits=_GZIP_WINDOW)
        pieces = bomb_pieces(before, after, DOUBLE_BOMB_BYTES)
        yield Body(packer.compress(next(pieces)) + packer.flush(zlib.Z_SYNC_FLUSH))
        for piece in pieces:
            if packed := packer.compress(piece):
                yield Body(packed)
        yield Body(packer.flush())

    return (speech.head(_GZIP_TWICE), Respond(lambda request: steps()), EndBody())


def _error_bomb(speech: Speech, tokens: Tokens) -> Reply:
    error = speech.encode(speech.error(_MARK.decode(), 500))
    before, _, after = error.partition(_MARK)
    head = Head(500, (("Content-Type", speech.whole_type), _GZIP))
    pieces = Respond(lambda request: map(Body, bomb_pieces(before, after, BOMB_BYTES)))
    return (head, pieces, EndBody())


def _endless_bomb(speech: Speech, tokens: Tokens) -> Reply:
    before, _ = _around(speech, tokens)
    pieces = bomb_pieces(before, b"", 1)
    first, block = next(pieces), next(pieces)
    return (speech.head(_GZIP), Body(first), Repeat((Body(block),)))


CODING_KINDS = (
    Kind("gzip", "whole", "a good stream, compressed, flushed at each frame", _zipped),
    Kind(
        "gzip_cut",
        "cut",
        "a compressed stream ends in the middle of a frame, the body in good order",
        _cut,
    ),
    Kind(
        "gzip_broken",
        "malformed",
        "after the tokens, a compressed stream goes on with garbage",
        _broken,
    ),
    Kind(
        "gzip_only_said",
        "malformed",
        "the headers say gzip, the body is not",
        _mislabelled,
        none_of,
    ),
    Kind(
        "gzip_not_said",
        "malformed",
        "the body is gzip, the headers do not say so",
        _unlabelled,
        none_of,
    ),
    Kind(
        "gzip_bomb",
        "limit",
        "after the tokens, 1 MiB of gzip that inflates to one line of 1 GiB",
        _bomb,
    ),
    Kind(
        "gzip_double_bomb",
        "limit",
        "some KiB of gzip in gzip that inflate to the tokens and a line of 4 GiB",
        _double_bomb,
    ),
    Kind(
        "gzip_bomb_endless",
        "limit",
        "after the tokens, gzip of a line that never ends",
        _endless_bomb,
    ),
    Kind(
        "gzip_bomb_as_error",
        "failed",
        "status 500 with an error text of 1 GiB, compressed to 1 MiB",
        _error_bomb,
        none_of,
    ),
)
