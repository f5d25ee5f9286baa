"""Split Markdown, while it arrives, into finished blocks and the open one.

Not for: inline markup (`inline`) nor looks (`render`). Sans-IO and pure; floor
Standard library only.

Blocks come flat: a paragraph in a list in a quote is one Block that names its
containers, so that each can be drawn as soon as it is finished and never again.
What can grow without end is finished early: code and HTML by line, lists by
item, and anything else when `cut` says so.

How the text was cut into pieces makes no difference to the blocks. A line is
acted upon as soon as more text cannot change what it is, else at its end.

Deviations from CommonMark, for a stream or for what models write: no link
reference definitions; a code block in an item ends at its fence only, however
little its lines are indented; a table ends at a line without a bar; HTML is
text, ends at a blank line and begins with a tag alone on its line; a tab counts
four columns wherever it stands.
"""

from __future__ import annotations

from . import lines
from .leaf import Block, Kind, Leaf
from .lines import Container, Line

_TAB = "    "


class Splitter:
    """Cut a stream of Markdown into blocks; for one thread.

    After `finish` nothing more may be fed.
    """

    def __init__(self) -> None:
        self._partial = ""  # the current line while it is undecided
        self._in_line = False  # the current line is decided: it is in the leaf
        self._path: list[Container] = []
        self._opens = 0  # containers at the end of the path that hold nothing yet
        self._after_blank = False
        self._blank_lines = 0  # within indented code: they count if more follows
        self._leaf: Leaf | None = None
        self._finished: list[Block] = []

    def feed(self, text: str) -> list[Block]:
        """Take the next piece and return the blocks that it finishes."""
        first, *others = text.replace("\t", _TAB).split("\n")
        self._extend(first)
        for piece in others:
            self._end_line()
            self._extend(piece)
        return self._take_finished()

    def finish(self) -> list[Block]:
        """End the text and return what was open."""
        if self._in_line or self._partial:
            self._end_line()
        self._close_leaf()
        self._leave(0)
        return self._take_finished()

    @property
    def open(self) -> Block | None:
        """The block that is not finished yet, as far as it has come.

        A line of which it is not known what it will be shows as it was written.
        """
        leaf, line = self._leaf, self._scan(self._partial)
        if leaf is None:
            return self._guess(line) if self._partial.strip() else None
        if leaf.by_line:
            rest = line.rest if line.rest.strip() else ""
            return leaf.shows(leaf.text + rest) if self._in_line or rest else None
        rest = line.text.strip()
        return leaf.shows(f"{leaf.text}\n{rest}" if rest else leaf.text)

    @property
    def cuttable(self) -> str:
        """What `cut` can cut: the open block without an undecided line."""
        return self._leaf.text if self._leaf else ""

    def cut(self, size: int) -> Block:
        """Finish the first `size` characters of `cuttable` early and return them.

        What is left begins with a `joint` of "cut", be it empty.
        """
        if self._leaf is None:
            raise ValueError("nothing is open that could be cut")
        return self._leaf.cut(size)

    def end_table(self) -> None:
        """Make the last row of the open table the beginning of a paragraph."""
        leaf = self._leaf
        if leaf is None or leaf.kind != "table":
            raise ValueError("no table is open")
        rows, _, row = leaf.text.rpartition("\n")
        leaf.text = rows
        self._close_leaf()
        self._leaf = self._new_leaf("paragraph", row)

    def _guess(self, line: Line) -> Block:
        path = [*self._path[: line.depth], *line.new]
        is_inside = line.depth == len(self._path)
        return Block(
            kind="paragraph",
            text=line.rest.strip(),
            path=tuple(container.marker for container in path),
            opens=len(line.new) + (self._opens if is_inside else 0),
            after_blank=self._after_blank,
        )

    def _take_finished(self) -> list[Block]:
        finished, self._finished = self._finished, []
        return finished

    # -- lines --------------------------------------------------------------

    def _extend(self, text: str) -> None:
        if self._in_line and self._leaf is not None:
            self._leaf.append(text)
            return
        self._partial += text
        line = self._scan(self._partial)
        if not line.rest.strip():
            self._partial = self._partial[: len(self._partial) - line.surplus]
        elif not self._is_undecided(line):
            self._partial = ""
            self._in_line = self._take(line, is_whole=False)

    def _is_undecided(self, line: Line) -> bool:
        leaf = self._leaf
        if leaf is not None and self._is_fenced(line) and leaf.fence is not None:
            return leaf.fence.may_be_closed_by(line.rest)
        if leaf is not None and leaf.kind == "table" and not lines.has_bar(line.rest):
            return len(line.rest) <= lines.LINE_LIMIT
        return lines.is_undecided(line.rest)

    def _end_line(self) -> None:
        is_in_leaf, self._in_line = self._in_line, False
        if not is_in_leaf:
            line, self._partial = self._scan(self._partial), ""
            if line.is_blank and not self._is_fenced(line):
                self._take_blank(line.depth)
            else:
                is_in_leaf = self._take(line, is_whole=True)
        if is_in_leaf:
            self._end_leaf_line()

    def _scan(self, text: str) -> Line:
        leaf = self._leaf
        return lines.scan(
            text,
            self._path,
            in_fence=leaf is not None and leaf.fence is not None,
            in_paragraph=leaf is not None and leaf.kind == "paragraph",
        )

    def _is_fenced(self, line: Line) -> bool:
        leaf = self._leaf
        is_inside = line.depth == len(self._path)
        return leaf is not None and leaf.fence is not None and is_inside

    def _take_blank(self, depth: int) -> None:
        if self._leaf is not None and self._leaf.kind == "code":
            self._blank_lines += 1
        else:
            self._close_leaf()
        if depth < len(self._path):  # a quote; items go on over blank lines
            self._close_leaf()
            self._leave(depth)
        self._after_blank = True

    def _take(self, line: Line, *, is_whole: bool) -> bool:
        """Act on a line; return whether its text is in the leaf now."""
        leaf = self._leaf
        if leaf is not None:
            if is_whole and self._turns(leaf, line):
                return False
            if self._goes_on(leaf, line, is_whole=is_whole):
                self._append(leaf, line.rest)
                return True
        self._close_leaf()
        self._leave(line.depth)
        self._path += line.new
        self._opens += len(line.new)
        return self._begin(line.rest, is_whole=is_whole)

    # -- blocks -------------------------------------------------------------

    def _turns(self, leaf: Leaf, line: Line) -> bool:
        """Let a whole line that holds no text change the open block."""
        if line.depth < len(self._path):
            return False
        if leaf.fence is not None and leaf.fence.closed_by(line.rest):
            self._close_leaf()
            return True
        text = leaf.text
        if leaf.kind != "paragraph" or (leaf.joint == "cut" and "\n" not in text):
            return False
        level = lines.underline_level(line.rest)
        if level and leaf.joint != "cut":
            leaf.become_heading(level)
            self._close_leaf()
            return True
        if lines.is_delimiter(line.rest, text.rpartition("\n")[2]):
            self._finished += leaf.become_table(line.rest.strip())
            return True
        return False

    def _goes_on(self, leaf: Leaf, line: Line, *, is_whole: bool) -> bool:
        """Say whether `line` belongs to the open block."""
        is_inside = line.depth == len(self._path)
        if leaf.fence is not None:
            return is_inside
        if line.new or not (is_inside or leaf.kind == "paragraph"):
            return False
        if leaf.kind == "code":
            return lines.indent_of(line.rest) >= len(_TAB)
        if leaf.kind == "html":
            return True
        if lines.starts_block(line.rest, is_whole=is_whole):
            return False
        return leaf.kind == "paragraph" or lines.has_bar(line.rest)

    def _append(self, leaf: Leaf, rest: str) -> None:
        if leaf.fence is not None:
            rest = rest[min(leaf.fence.indent, lines.indent_of(rest)) :]
        elif leaf.kind == "code":
            rest = rest[len(_TAB) :]
        if not leaf.by_line:
            leaf.append_line(rest.lstrip())
            return
        for _ in range(self._blank_lines):
            self._end_leaf_line()
        self._blank_lines = 0
        leaf.text = rest

    def _begin(self, rest: str, *, is_whole: bool) -> bool:
        """Open the block that a line begins; return whether its text is in it."""
        if not rest.strip():
            return False
        if lines.indent_of(rest) >= len(_TAB):
            self._leaf = self._new_leaf("code", rest[len(_TAB) :])
            return True
        if is_whole and lines.is_rule(rest):
            self._finished.append(self._new_leaf("rule", "").shows(""))
            return False
        if is_whole and (fence := lines.fence_of(rest)) is not None:
            self._leaf = self._new_leaf("code", "")
            self._leaf.fence = fence
            return False
        if is_whole and lines.is_html(rest):
            self._leaf = self._new_leaf("html", rest)
            return True
        level = lines.heading_level(rest)
        text = rest.lstrip()[level:].lstrip()
        self._leaf = self._new_leaf("heading" if level else "paragraph", text)
        self._leaf.level = level
        return True

    def _new_leaf(self, kind: Kind, text: str) -> Leaf:
        path = tuple(container.marker for container in self._path)
        leaf = Leaf(kind, path, self._opens)
        leaf.text = text
        leaf.after_blank = self._after_blank
        self._opens, self._after_blank = 0, False
        return leaf

    def _end_leaf_line(self) -> None:
        leaf = self._leaf
        if leaf is not None and leaf.by_line:
            self._finished.append(leaf.shows(leaf.text))
            leaf.text = ""
            leaf.go_on("line")
        elif leaf is not None and leaf.kind == "heading":
            self._close_leaf()

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        self._blank_lines = 0
        if leaf is None:
            return
        if leaf.by_line:  # its lines are out already
            self._opens += leaf.opens
        elif (block := leaf.closed()) is not None:
            self._finished.append(block)

    def _leave(self, depth: int) -> None:
        """End the containers from `depth` on; an item without content shows too."""
        if depth < len(self._path):
            if self._opens:
                self._finished.append(self._new_leaf("paragraph", "").shows(""))
            del self._path[depth:]
