"""`-x`: of an answer only its code goes to stdout. A view: the whole answer is kept."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ProtocolError
from ..messages import Completion, Json
from .parser import Group

if TYPE_CHECKING:
    from ..log import Log
    from ..terminal.fences import CodeBlock


class Extracted(NamedTuple):
    """The code that was wanted, and all the blocks that the answer has."""

    text: str
    blocks: Sequence["CodeBlock"]

    def document(self) -> Json:
        """Return the blocks as JSON has them."""
        return [{"lang": block.language, "text": block.text} for block in self.blocks]


def add_extract(group: Group) -> None:
    """Add the options that take the code out of an answer."""
    group.add_argument(
        "-x",
        action="store_const",
        const="first",
        dest="extract",
        help="print the first block of code of the answer and nothing else; none is"
        " status 7",
    )
    group.add_argument(
        "--extract",
        metavar="WHICH",
        type=wanted_code,
        help="print that block of code: first, last, all, a number, or the first in a"
        " language",
    )


def wanted_code(text: str) -> str:
    """Return which code is wanted; for argparse."""
    from ..terminal.fences import checked_wanted  # late: few want code

    try:
        return checked_wanted(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def extracted(completion: Completion, wanted: str, log: "Log") -> Extracted:
    """Return the code of an answer; a note tells when there is more.

    Raises: ProtocolError when there is none.
    """
    from ..terminal.fences import PLACES, code_blocks, wanted_blocks  # late, as above

    found = code_blocks(completion.text)
    # What is only indented may be meant as prose.
    blocks = [block for block in found if block.is_fenced] or found
    who = f"the answer of '{completion.model}' on {completion.backend}"
    if not blocks:
        raise ProtocolError(
            f"{who} has no block of code", hint="without -x all of it is printed"
        )
    chosen = wanted_blocks(blocks, wanted)
    if not chosen:
        raise _missing(f"{who} has no block of code", blocks, wanted)
    if len(chosen) < len(blocks) and wanted in PLACES:
        log.note(
            f"the answer has {len(blocks)} blocks of code, and this is the {wanted}"
            " one; --extract all, or a number, takes others"
        )
    elif len(chosen) > 1 and wanted != "all":
        log.note(
            f"the answer has {len(chosen)} blocks of {wanted}, and this is the first"
        )
        chosen = chosen[:1]
    return Extracted("".join(block.text for block in chosen), blocks)


def _missing(message: str, blocks: Sequence["CodeBlock"], wanted: str) -> ProtocolError:
    if wanted.isdecimal():
        many = f"{len(blocks)} are" if len(blocks) > 1 else "one is"
        return ProtocolError(f"{message} number {wanted}", hint=f"{many} there")
    languages = dict.fromkeys(f"'{b.language}'" for b in blocks if b.language)
    named = ", ".join([*languages][:5])
    hint = f"there is {named}" if named else "none names its language"
    return ProtocolError(f"{message} in '{wanted}'", hint=hint)
