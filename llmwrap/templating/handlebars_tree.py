"""Handlebars text to a tree: content, variables, partials, comments, blocks.

The rules are those of Handlebars' own lexer and grammar (spec/handlebars.l and .yy of
@handlebars/parser) for what has an equal in Mustache. See handlebars.py.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConfigError, LimitError
from .handlebars_tags import HandlebarsTag, Path, Refusal, Strip, read_tags
from .tags import DEEPEST_SECTION

NO_STRIP = Strip(is_open=False, is_close=False)


class ContentStatement:
    """Text. `value` is what is left of `original` once blanks are stripped."""

    def __init__(self, text: str) -> None:
        self.original = text
        self.value = text
        self.is_left_stripped = False
        self.is_right_stripped = False


class Comment(NamedTuple):
    """A comment, and the blanks around it that go."""

    text: str
    strip: Strip


class Value(NamedTuple):
    """A variable."""

    path: Path
    strip: Strip


class Include:
    """A partial; `indent` is what its lines get where it stands alone."""

    def __init__(self, name: str, strip: Strip) -> None:
        self.name = name
        self.strip = strip
        self.indent = ""


class Program:
    """What stands between two tags. `is_chained`: it is the rest of an `else if`."""

    def __init__(self, body: list[Statement], *, is_chained: bool = False) -> None:
        self.body = body
        self.is_chained = is_chained


class BlockStatement:
    """A block: `program` for when it is so, `inverse` for when it is not."""

    def __init__(self, tag: HandlebarsTag, path: Path) -> None:
        self.helper = tag.helper
        self.path = path
        self.program: Program | None = None
        self.inverse: Program | None = None
        self.open_strip = tag.strip
        self.inverse_strip = NO_STRIP
        self.close_strip = NO_STRIP


Statement = ContentStatement | Comment | Value | Include | BlockStatement


def parse_handlebars(template: str, text: str, first_line: int) -> Program:
    """Return the tree of a text. Raises: ConfigError, LimitError."""
    return _TreeBuilder(template, text, first_line).whole()


class _Else(NamedTuple):
    """The other half of a block, and the tag that begins it."""

    tag: HandlebarsTag
    program: Program


class _TreeBuilder:
    def __init__(self, template: str, text: str, first_line: int) -> None:
        self._template = template
        self._tags = read_tags(text, first_line, self._refuse)
        self._next: str | HandlebarsTag | None = next(self._tags, None)
        self._depth = 0

    def whole(self) -> Program:
        """Return the tree of the whole text."""
        program = self._program()
        if isinstance(self._next, HandlebarsTag):
            raise self._error(self._next, "has nothing to end")
        return program

    def _take(self) -> str | HandlebarsTag | None:
        taken, self._next = self._next, next(self._tags, None)
        return taken

    def _program(self) -> Program:
        body: list[Statement] = []
        while self._next is not None:
            if isinstance(self._next, HandlebarsTag) and self._next.kind in _ENDS:
                break
            taken = self._take()
            if isinstance(taken, str):
                body.append(ContentStatement(taken))
            elif taken is not None:
                body.append(self._statement(taken))
        return Program(body)

    def _statement(self, tag: HandlebarsTag) -> Statement:
        if tag.kind == "!":
            return Comment(tag.text, tag.strip)
        if tag.kind == ">":
            return Include(tag.text, tag.strip)
        if tag.kind in ("#", "^"):
            return self._block(tag)
        return Value(tag.path, tag.strip)

    def _block(self, tag: HandlebarsTag) -> BlockStatement:
        self._enter(tag)
        program = self._program()
        other = self._other_half(tag)
        close = self._next
        self._take()
        if not isinstance(close, HandlebarsTag) or close.kind != "/":
            raise self._error(tag, "is never closed")
        if close.text != tag.opened:
            raise self._error(close, f"does not end '{tag.shown}' of line {tag.line}")
        self._depth -= 1
        block = _block(tag, program, other, close.strip)
        if tag.kind == "^":
            block.program, block.inverse = block.inverse, block.program
        return block

    def _enter(self, tag: HandlebarsTag) -> None:
        self._depth += 1
        if self._depth > DEEPEST_SECTION:
            what = f"blocks nest deeper than {DEEPEST_SECTION}"
            raise LimitError(f"template '{self._template}', line {tag.line}: {what}")

    def _other_half(self, opened: HandlebarsTag) -> _Else | None:
        tag = self._next
        if not isinstance(tag, HandlebarsTag) or tag.kind not in ("else", "else if"):
            return None
        self._take()
        program = self._program()
        if tag.kind == "else":
            after = self._next
            if isinstance(after, HandlebarsTag) and after.kind in ("else", "else if"):
                raise self._error(after, "comes after the last half of its block")
            return _Else(tag, program)
        if opened.kind == "^":
            raise self._error(tag, "stands in an inverted block")
        self._enter(tag)  # Mustache nests what `else if` chains
        other = self._other_half(tag)
        self._depth -= 1
        block = _block(tag, program, other, other.tag.strip if other else NO_STRIP)
        return _Else(tag, Program([block], is_chained=True))

    def _error(self, tag: HandlebarsTag, problem: str) -> ConfigError:
        where = f"template '{self._template}', line {tag.line}"
        return ConfigError(f"{where}: '{tag.shown}' {problem}")

    def _refuse(self, refusal: Refusal) -> ConfigError:
        where = f"template '{self._template}', line {refusal.line}"
        return ConfigError(
            f"{where}: '{refusal.shown}' {refusal.problem}", hint=refusal.way_out
        )


_ENDS = ("/", "else", "else if")


def _block(
    tag: HandlebarsTag, program: Program, other: _Else | None, close: Strip
) -> BlockStatement:
    block = BlockStatement(tag, tag.path)
    block.program = program
    block.close_strip = close
    if other is not None:
        if other.program.is_chained:
            # As Handlebars does it: an `else if` ends where the whole block ends.
            for inner in other.program.body:
                if isinstance(inner, BlockStatement):
                    inner.close_strip = close
        block.inverse = other.program
        block.inverse_strip = other.tag.strip
    return block
