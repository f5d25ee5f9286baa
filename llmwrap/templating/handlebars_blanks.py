"""Blanks that Handlebars takes away around its tags.

A tag alone on its line takes the line with it, `~` takes all blanks on its side. This
follows lib/handlebars/compiler/whitespace-control.js of Handlebars 4.7 step by step, as
the order of the steps decides what is left. See handlebars.py.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from .handlebars_tree import (
    BlockStatement,
    ContentStatement,
    Include,
    Program,
    Statement,
    Value,
)

Body: TypeAlias = "list[Statement]"

# What JavaScript's \s means.
_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_S = f"[{_BLANKS}]"
_NOT_S = f"[^{_BLANKS}]"
_BLANK_BUT_NEWLINE = f"[{_BLANKS.replace(chr(10), '')}]"
_ENDS_WITH_LINE = re.compile(rf"(?:\A|{_NOT_S}){_BLANK_BUT_NEWLINE}*\n{_S}*\Z")
_BEGINS_WITH_LINE = re.compile(rf"{_S}*?\r?\n")
_BEGINS_WITH_LINE_OR_END = re.compile(rf"{_S}*?(?:\r?\n|\Z)")
_ONLY_BLANKS = re.compile(rf"{_S}*\Z")
_REST_OF_LINE = re.compile(r"[ \t]*\r?\n?")
_INDENT = re.compile(r"(?:\A|[^ \t])([ \t]+)\Z")


class _Candidate(NamedTuple):
    """What a tag says of the blanks around it.

    `is_open` and `is_close`: all blanks before and behind it go. The others tell
    whether what it begins and ends with may stand alone on its line.
    """

    is_open: bool
    is_close: bool
    may_open_alone: bool = False
    may_close_alone: bool = False
    may_be_alone: bool = False


def strip_blanks(program: Program) -> None:
    """Take the blanks away that Handlebars would, in the values of contents."""
    _strip(program, is_root=True)


def _strip(program: Program | None, *, is_root: bool = False) -> None:
    body = program.body if program else []
    for index, current in enumerate(body):
        found = _candidate(current)
        if found is None:
            continue
        is_line_before = _is_line_before(body, index, is_root=is_root)
        is_line_after = _is_line_after(body, index, is_root=is_root)
        if found.is_close:
            _omit_right(body, index, is_all=True)
        if found.is_open:
            _omit_left(body, index, is_all=True)
        if found.may_be_alone and is_line_before and is_line_after:
            _omit_right(body, index)
            if _omit_left(body, index) and isinstance(current, Include):
                current.indent = _indent(body[index - 1])
        if isinstance(current, BlockStatement):
            if found.may_open_alone and is_line_before:
                _omit_right(_body(current.program or current.inverse))
                _omit_left(body, index)
            if found.may_close_alone and is_line_after:
                _omit_right(body, index)
                _omit_left(_body(current.inverse or current.program))


def _candidate(current: Statement) -> _Candidate | None:
    if isinstance(current, ContentStatement):
        return None
    if isinstance(current, BlockStatement):
        return _block(current)
    is_alone = not isinstance(current, Value)
    strip = current.strip
    return _Candidate(strip.is_open, strip.is_close, may_be_alone=is_alone)


def _block(block: BlockStatement) -> _Candidate:
    _strip(block.program)
    _strip(block.inverse)
    program = _body(block.program or block.inverse)
    inverse = block.inverse if block.program else None
    first, last = _halves(inverse)
    candidate = _Candidate(
        block.open_strip.is_open,
        block.close_strip.is_close,
        may_open_alone=_is_line_after(program, -1),
        may_close_alone=_is_line_before(
            program if inverse is None else first,
            len(program if inverse is None else first),
        ),
    )
    if block.open_strip.is_close:
        _omit_right(program, is_all=True)
    if inverse is None:
        if block.close_strip.is_open:
            _omit_left(program, is_all=True)
        return candidate
    if block.inverse_strip.is_open:
        _omit_left(program, is_all=True)
    if block.inverse_strip.is_close:
        _omit_right(first, is_all=True)
    if block.close_strip.is_open:
        _omit_left(last, is_all=True)
    if _is_line_before(program, len(program)) and _is_line_after(first, -1):
        _omit_left(program)  # an else alone on its line
        _omit_right(first)
    return candidate


def _halves(inverse: Program | None) -> tuple[Body, Body]:
    """Return the first and the last half behind an else."""
    if inverse is None:
        return [], []
    first = last = inverse
    if inverse.is_chained:
        first = _chained(inverse).program or inverse
        while last.is_chained:
            last = _chained(last).program or inverse
    return first.body, last.body


def _chained(program: Program) -> BlockStatement:
    block = program.body[-1]
    if not isinstance(block, BlockStatement):
        raise TypeError(block)  # the parser puts nothing else there
    return block


def _body(program: Program | None) -> Body:
    return program.body if program else []


def _is_line_before(body: Body, index: int, *, is_root: bool = False) -> bool:
    """Tell whether only blanks stand between the line's begin and an index."""
    if index < 1:
        return is_root
    previous = body[index - 1]
    if not isinstance(previous, ContentStatement):
        return False
    if _ENDS_WITH_LINE.search(previous.original):
        return True
    is_first = index < 2 and is_root
    return is_first and _ONLY_BLANKS.match(previous.original) is not None


def _is_line_after(body: Body, index: int, *, is_root: bool = False) -> bool:
    """Tell whether only blanks stand between an index and the line's end."""
    if index + 1 >= len(body):
        return is_root
    following = body[index + 1]
    if not isinstance(following, ContentStatement):
        return False
    is_last = index + 2 >= len(body) and is_root
    pattern = _BEGINS_WITH_LINE_OR_END if is_last else _BEGINS_WITH_LINE
    return pattern.match(following.original) is not None


def _omit_right(body: Body, index: int = -1, *, is_all: bool = False) -> None:
    """Take blanks off the content behind an index; the first one without any."""
    current = body[index + 1] if index + 1 < len(body) else None
    if not isinstance(current, ContentStatement):
        return
    if not is_all and current.is_right_stripped:
        return
    value = current.value
    found = _REST_OF_LINE.match(value)
    rest = value[found.end() :] if found else value
    current.value = value.lstrip(_BLANKS) if is_all else rest
    current.is_right_stripped = current.value != value


def _omit_left(body: Body, index: int | None = None, *, is_all: bool = False) -> bool:
    """Take blanks off the content before an index; the last one without any."""
    before = (len(body) if index is None else index) - 1
    current = body[before] if before >= 0 else None
    if not isinstance(current, ContentStatement):
        return False
    if not is_all and current.is_left_stripped:
        return False
    value = current.value
    current.value = value.rstrip(_BLANKS if is_all else " \t")
    current.is_left_stripped = current.value != value
    return current.is_left_stripped


def _indent(content: Statement) -> str:
    found = (
        _INDENT.search(content.original)
        if isinstance(content, ContentStatement)
        else None
    )
    return found[1] if found else ""
