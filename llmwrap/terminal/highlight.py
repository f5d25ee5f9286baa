"""Colours for code that comes line by line.

Not for: layout. Pygments is reached through rich's Syntax only, and
imported with the first block of code.

A lexer of pygments cannot be stopped and resumed, and a multi-line string is
right only if its start is seen. So each line is coloured together with the lines
before it, back to a line where nothing was open: an unindented one that begins
outside of strings and comments; when that is too far away, any line outside of
them. The cost of a line therefore does not grow with the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from rich.syntax import Syntax
from rich.text import Text

from .paint import Paint

_CONTEXT_LIMIT = 800
"""Characters before a line that are looked at again (pygments: 4 us for each)."""
_OPEN_LIMIT = 4000
"""The same within a string or a comment, which must not be left."""
_LINE_LIMIT = 2000
"""A line that is longer is data: it stays plain."""
_OPEN_KINDS = frozenset({"String", "Comment"})
_CLOSINGS = ("*/", "-->")
_LANGUAGE_LIMIT = 64
"""Lexers remembered; their names come from the model."""


@dataclass(frozen=True, slots=True)
class Code:
    """Where a block of code has come to.

    `before`: the text before that is still needed. `is_open`: whether it ends
    within a string or a comment.
    """

    language: str
    before: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Colored:
    """A coloured text, and the place in the code after it."""

    text: Text
    after: Code


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    kind: tuple[str, ...]

    @property
    def is_error(self) -> bool:
        return self.kind[:1] == ("Error",)


class _Lexer(Protocol):
    """What is used of pygments, which has no types."""

    def get_tokens_unprocessed(
        self, text: str
    ) -> Iterable[tuple[int, tuple[str, ...], str]]: ...


class Highlighter:
    """Colours lines of code; for one thread."""

    def __init__(self, paint: Paint | None = None) -> None:
        self._paint = paint or Paint()
        self._lexers: dict[str, _Lexer | None] = {}

    def line(self, code: Code, text: str, *, ends_line: bool = True) -> Colored:
        """Colour `text`, which follows `code`: a line, or a piece of one."""
        before = _needed(code, text)
        styled = Text(text)
        is_open = code.is_open
        head = len(before) - before.rfind("\n") - 1
        lexer = self._lexer(code.language)
        if lexer is not None and head + len(text) <= _LINE_LIMIT:
            for token in _tokens(lexer, before + text):
                start, end = token.start - len(before), token.end - len(before)
                if end > 0 and not token.is_error:
                    style = self._paint.token(token.kind)
                    styled.stylize(style, max(0, start), min(end, len(text)))
                if start <= len(text) < end:  # it holds the end of the line
                    is_open = not _OPEN_KINDS.isdisjoint(token.kind)
        after = before + text + ("\n" if ends_line else "")
        return Colored(styled, Code(code.language, after, is_open))

    def _lexer(self, language: str) -> _Lexer | None:
        if language not in self._lexers:
            if len(self._lexers) >= _LANGUAGE_LIMIT:
                self._lexers.clear()
            lexer: _Lexer | None = Syntax("", language).lexer if language else None
            self._lexers[language] = lexer
        return self._lexers[language]


def _tokens(lexer: _Lexer, text: str) -> list[_Token]:
    """Return the tokens of `text` and a newline, as if a comment were to end.

    Unlike strings, comments that never end are errors to many lexers.
    """
    as_it_is: list[_Token] = []
    for closing in ("", *_CLOSINGS):
        tokens = [
            _Token(start, start + len(value), kind)
            for start, kind, value in lexer.get_tokens_unprocessed(f"{text}\n{closing}")
        ]
        if not any(token.is_error for token in tokens):
            return tokens
        as_it_is = as_it_is or tokens
    return as_it_is


def _needed(code: Code, text: str) -> str:
    """Return what of the text before is needed to colour `text`."""
    before = code.before
    if not before.endswith("\n"):
        return before
    if code.is_open:
        return before if len(before) <= _OPEN_LIMIT else ""
    is_top_level = text[:1].strip(" )]}") != ""
    return "" if is_top_level or len(before) > _CONTEXT_LIMIT else before
