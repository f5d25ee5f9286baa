"""What stands left of a block: quote bars, bullets, numbers, indents.

Not for: the block itself. Pure; imports rich's cell widths only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from .leaf import Kind

_QUOTE = "▌ "
_BULLET = "• "
_CODE_INDENT = 2
_NARROW = 20
"""Below this many columns code is not indented."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stands before the first row of a block, and before the others.

    `gap`: what stands on the blank row above the block, if there is one.
    """

    first: str
    others: str
    gap: str


def _shown(marker: str) -> str:
    if marker == ">":
        return _QUOTE
    return _BULLET if marker in "-+*" else f"{marker} "


def _kept(path: Sequence[str], width: int) -> int:
    """Return how many of the outer containers a narrow screen has no room for."""
    left_out = 0
    while sum(cell_len(_shown(m)) for m in path[left_out:]) > width // 2:
        left_out += 1
    return left_out


def prefix_of(path: Sequence[str], opens: int, width: int) -> Prefix:
    """Return what stands before a block in `path` on a screen of `width` cells.

    It takes half of the width at most: outer containers go first.
    """
    first = others = gap = ""
    start = len(path) - opens
    for index in range(_kept(path, width), len(path)):
        shown = _shown(path[index])
        blank = shown if path[index] == ">" else " " * cell_len(shown)
        first += shown if index >= start else blank
        others += blank
        gap += blank if index < start else ""
    return Prefix(first, others, gap.rstrip())


def text_width(path: Sequence[str], width: int) -> int:
    """Return the cells left for text in `path`; at least 1."""
    markers = path[_kept(path, width) :]
    return max(1, width - sum(cell_len(_shown(marker)) for marker in markers))


def code_indent(kind: Kind, width: int) -> int:
    """Return how far a block is indented where text has `width` cells."""
    return _CODE_INDENT if kind == "code" and width >= _NARROW else 0
