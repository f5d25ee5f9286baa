"""The unit that the splitter hands out, and the one that it is filling.

Not for: deciding where a block ends (`blocks`). Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .lines import Fence

Kind = Literal["paragraph", "heading", "code", "html", "table", "rule"]
Joint = Literal["none", "line", "cut"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of an answer that is drawn by itself.

    `text`: what is in it; its lines are parted by newlines; the markup that made
    it a block is gone, inline markup is not.
    `path`: markers of the containers around it, outermost first: `>`, `-`, `3.`, as
    they are counted;
    the innermost `opens` of them begin with this block.
    `level`: of a heading, 1 to 6. `language`: of code, as its fence names it.
    `is_fenced`: whether code has a fence.
    `after_blank`: whether a blank line stood before it.
    `joint`: how it hangs on to the block before: it does not, it is its next
    line, or it goes on in the middle of its last line because of a cut.
    `is_cut`: the next block goes on where this one stops.
    """

    kind: Kind
    text: str
    path: tuple[str, ...] = ()
    opens: int = 0
    level: int = 0
    language: str = ""
    is_fenced: bool = False
    after_blank: bool = False
    joint: Joint = "none"
    is_cut: bool = False


class Leaf:
    """The block that is being filled; of code and HTML its current line only."""

    def __init__(self, kind: Kind, path: tuple[str, ...], opens: int) -> None:
        self.kind: Kind = kind
        self.path = path
        self.opens = opens
        self.after_blank = False
        self.level = 0
        self.fence: Fence | None = None
        self.joint: Joint = "none"
        self._parts: list[str] = []

    @property
    def by_line(self) -> bool:
        """Whether each line of it is a finished block."""
        return self.kind in ("code", "html")

    @property
    def text(self) -> str:
        """What has come; joined once, however often it is read."""
        self._parts = ["".join(self._parts)]
        return self._parts[0]

    @text.setter
    def text(self, text: str) -> None:
        self._parts = [text]

    def append(self, text: str) -> None:
        """Add to the current line."""
        self._parts.append(text)

    def append_line(self, line: str) -> None:
        """Begin another line."""
        self._parts += ["\n", line]

    def become_heading(self, level: int) -> None:
        """Turn a paragraph into a heading: its underline has come."""
        self.kind, self.level = "heading", level

    def become_table(self, delimiter: str) -> list[Block]:
        """Turn the last line of a paragraph into the head of a table.

        Returns the lines above it, if there are any, as a block of their own.
        """
        above, _, header = self.text.rpartition("\n")
        blocks = [self.shows(above.rstrip())] if above or self.joint == "cut" else []
        if blocks:
            self.go_on("none")
        self.kind = "table"
        self.text = f"{header.strip()}\n{delimiter}"
        return blocks

    def shows(self, text: str) -> Block:
        """Return `text` as a Block that looks like this leaf."""
        return Block(
            kind=self.kind,
            text=text,
            path=self.path,
            opens=self.opens,
            level=self.level,
            language=self.fence.language if self.fence else "",
            is_fenced=self.fence is not None,
            after_blank=self.after_blank,
            joint=self.joint,
        )

    def cut(self, size: int) -> Block:
        """Return the first `size` characters as a Block and keep the others."""
        text = self.text
        block = replace(self.shows(text[:size]), is_cut=True)
        self.text = text[size:]
        self.go_on("cut")
        return block

    def go_on(self, joint: Joint) -> None:
        """Note that a block was made of what was here, and that more may come."""
        self.joint, self.opens, self.after_blank = joint, 0, False

    def closed(self) -> Block | None:
        """Return what is left as the last block of this leaf, if anything is."""
        text = self.text.rstrip()
        if self.kind == "heading":
            head, _, marks = text.rpartition(" ")
            text = head.rstrip() if marks and not marks.strip("#") and head else text
        return self.shows(text) if text or self.joint == "cut" else None
