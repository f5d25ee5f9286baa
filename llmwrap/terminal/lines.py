"""What one line of Markdown is: the patterns behind `blocks`.

Not for: anything that spans lines. Standard library only, pure.

The rules are CommonMark's, less what a stream cannot wait for. Tabs have been
replaced by blanks before a line comes here. `rest` is always a line without the
containers around it; it may end where the stream has come to, unless a function
says that it wants the whole line.

See: CommonMark 0.31.2, sections 4 and 5; GitHub Flavored Markdown, section 4.10.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

LINE_LIMIT = 1000
"""A longer line is no fence, rule, underline, delimiter row or HTML, for which the
whole line must be known; so an unknown one never fills memory or the screen."""

DEPTH_LIMIT = 20
"""Containers within containers; deeper markers are text."""

_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r"( {0,3})([-+*]|\d{1,9}[.)])( {1,4}(?! )| (?= )|$)")
_RULE = re.compile(r" {0,3}([-*_]) *(?:\1 *){2,}$")
_HEADING = re.compile(r" {0,3}(#{1,6}) +(?=\S)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+) *$")
_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})(.*)$")
_HTML = re.compile(r" {0,3}<(?:/?[A-Za-z][\w-]*(?:[ /][^<>]*)?>|!--.*) *$")
_DELIMITER = re.compile(r" {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$")
_UNDECIDED = re.compile(
    r" *(?:"
    r"#{1,6} *"  # a heading, or a word like #1
    r"|([-*_]) *(?:\1 *)*"  # a rule, an item, emphasis
    r"|[+=]+ *|\d{1,9}(?:[.)] *)?"  # an item, an underline
    r"|`{1,2}|`{3,}[^`]*|~{1,2}|~{3,}.*"  # a fence
    r"|\|?[ :|-]*"  # a delimiter row
    r"|<(?:[A-Za-z/!].*)?"  # HTML
    r")$"
)


@dataclass(frozen=True, slots=True)
class Container:
    """A quote (`marker` is `>`) or a list item, around the blocks within it.

    `indent`: the columns of blanks that carry an item on; 0 for a quote.
    """

    marker: str
    indent: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line whose containers are known.

    The first `depth` of the old ones go on, `new` ones begin; `text` is what
    follows the old ones, `rest` what follows all, without a `surplus` of blanks
    beyond any use.
    """

    depth: int
    text: str
    new: tuple[Container, ...]
    rest: str
    surplus: int = 0

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on the line, no new container either."""
        return not self.new and not self.rest.strip()


@dataclass(frozen=True, slots=True)
class Fence:
    """The line that opened a code block: what closes it, indent, language."""

    marks: str
    indent: int
    language: str

    def closed_by(self, rest: str) -> bool:
        """Say whether the whole line closes this fence."""
        return self.may_be_closed_by(rest) and rest.strip().startswith(self.marks)

    def may_be_closed_by(self, rest: str) -> bool:
        """Say whether the line that begins with `rest` could close this fence."""
        is_short = len(rest) <= LINE_LIMIT and indent_of(rest) <= 3
        return is_short and not rest.strip().strip(self.marks[0])


def indent_of(text: str) -> int:
    """Count the blanks at the start of `text`."""
    return len(text) - len(text.lstrip(" "))


def scan(
    text: str, path: Sequence[Container], *, in_fence: bool, in_paragraph: bool
) -> Line:
    """Take the containers off a line: those of `path` that go on, and new ones."""
    depth = 0
    while depth < len(path):
        taken = _taken(path[depth], text, in_fence=in_fence)
        if taken is None:
            break
        text = text[taken:]
        depth += 1
    if in_fence and depth == len(path):
        return Line(depth, text, (), text)
    new, rest = _new_containers(
        text, DEPTH_LIMIT - depth, in_paragraph=in_paragraph and depth == len(path)
    )
    if new and depth < len(path):
        new = (_counted(new[0], path[depth]), *new[1:])
    surplus = max(0, indent_of(rest) - LINE_LIMIT)
    return Line(depth, text, new, rest[surplus:], surplus)


def _taken(container: Container, text: str, *, in_fence: bool) -> int | None:
    """Return how much of `text` belongs to `container`; None if it has ended."""
    if container.marker == ">":
        quote = _QUOTE.match(text)
        return quote.end() if quote else None
    indent = indent_of(text)
    if indent >= container.indent or in_fence or indent == len(text):
        return min(indent, container.indent)
    return None


def _new_containers(
    rest: str, limit: int, *, in_paragraph: bool
) -> tuple[tuple[Container, ...], str]:
    new: list[Container] = []
    while len(new) < limit and not is_rule(rest):
        if quote := _QUOTE.match(rest):
            new.append(Container(">", 0))
            rest = rest[quote.end() :]
        elif item := _ITEM.match(rest):
            after = rest[item.end() :]
            if in_paragraph and not new and not _may_interrupt(item[2], after):
                break
            indent = item.end() if after.strip() else item.end(2) + 1
            new.append(Container(item[2], indent))
            rest = after
        else:
            break
    return tuple(new), rest


def _counted(item: Container, last: Container) -> Container:
    """Return an item as it shows behind the last one: lists count by themselves."""
    number, mark = last.marker[:-1], last.marker[-1]
    if number.isdigit() and item.marker[0].isdigit() and item.marker[-1] == mark:
        return replace(item, marker=f"{int(number) + 1}{mark}")
    return item


def _may_interrupt(marker: str, after: str) -> bool:
    """Say whether an item may follow a paragraph without a blank line between."""
    is_filled = bool(after[: LINE_LIMIT - 20].strip())
    return is_filled and (not marker[0].isdigit() or marker[:-1] == "1")


def is_undecided(rest: str) -> bool:
    """Say whether more text could change what kind of line `rest` begins."""
    if not rest.strip():
        return True
    return len(rest) <= LINE_LIMIT and _UNDECIDED.match(rest) is not None


def is_rule(rest: str) -> bool:
    """Say whether the whole line is a thematic break."""
    return len(rest) <= LINE_LIMIT and _RULE.match(rest) is not None


def is_html(rest: str) -> bool:
    """Say whether the whole line is one tag, or the start of a comment."""
    return len(rest) <= LINE_LIMIT and _HTML.match(rest) is not None


def fence_of(rest: str) -> Fence | None:
    """Return the fence that the whole line opens, if it does."""
    match = _FENCE.match(rest) if len(rest) <= LINE_LIMIT else None
    if match is None or (match[2][0] == "`" and "`" in match[3]):
        return None
    info = match[3].split()
    return Fence(match[2], len(match[1]), info[0] if info else "")


def heading_level(rest: str) -> int:
    """Return 1 to 6 for a heading that has some text, else 0."""
    match = _HEADING.match(rest[:LINE_LIMIT])
    return len(match[1]) if match else 0


def underline_level(rest: str) -> int:
    """Return 1 or 2 if the whole line makes the text above a heading, else 0."""
    match = _UNDERLINE.match(rest) if len(rest) <= LINE_LIMIT else None
    if match is None:
        return 0
    return 1 if match[1][0] == "=" else 2


def has_bar(rest: str) -> bool:
    """Say whether a line after a table can be one of its rows."""
    return "|" in rest[:LINE_LIMIT]


def cells(row: str) -> list[str]:
    """Return the cells of one table row, without the bars around it."""
    row = row.strip()
    found = re.split(r"(?<!\\)\|", row.removeprefix("|"))
    if len(found) > 1 and not found[-1].strip():
        found.pop()
    return [cell.strip().replace("\\|", "|") for cell in found]


def is_delimiter(rest: str, header: str) -> bool:
    """Say whether the whole line `rest` makes `header` the head of a table."""
    return (
        len(rest) <= LINE_LIMIT
        and "|" in rest
        and "|" in header
        and _DELIMITER.match(rest) is not None
        and len(cells(rest)) == len(cells(header))
    )


def starts_block(rest: str, *, is_whole: bool) -> bool:
    """Say whether `rest` ends a paragraph or a table above it."""
    if heading_level(rest):
        return True
    return is_whole and (is_rule(rest) or fence_of(rest) is not None)
