"""Code that comes by line has the colours it would have as a whole."""

from __future__ import annotations

import pytest
from rich.syntax import Syntax

from llmwrap.terminal.highlight import Code, Highlighter

PYTHON = '''\
import os
def f(a: int) -> str:
    """Say what it does.

    Over if more lines, for 3 of them.
    """
    x = {"if": 1, 'for': [2.5, None]}  # a comment

    text = f"""
while {x} return
"""
    return text
class A(B):
    @property
    def g(self): return not self.h
'''
C = """\
#include <stdio.h>
/* int over
   return lines */
int main(void) {
    char *s = "for";
    return 0;  // done
}
"""
JAVASCRIPT = """\
/**
 * Return if new.
 */
const a = `text
for ${a} return`; // done
<!-- x
"""


def colours(code: str, language: str) -> list[list[str]]:
    """Return the style of each character, coloured line by line."""
    highlighter = Highlighter()
    place = Code(language)
    found = []
    for line in code.splitlines():
        colored = highlighter.line(place, line)
        place = colored.after
        styles = ["none"] * len(line)
        for span in colored.text.spans:
            styles[span.start : span.end] = [str(span.style)] * (span.end - span.start)
        found.append(styles)
    return found


def colours_of_whole(code: str, language: str) -> list[list[str]]:
    syntax = Syntax(code, language)
    theme = Syntax.get_theme("ansi_dark")
    assert syntax.lexer is not None
    styles: list[str] = []
    for _, kind, text in syntax.lexer.get_tokens_unprocessed(code):
        styles += [str(theme.get_style_for_token(kind))] * len(text)
    found = []
    for line in code.splitlines(keepends=True):
        found.append(styles[: len(line.rstrip("\n"))])
        styles = styles[len(line) :]
    return found


def seen(code: str, styles: list[list[str]]) -> list[list[str]]:
    """Leave out blanks, whose colour cannot be seen."""
    return [
        [style for style, character in zip(row, line, strict=True) if character != " "]
        for row, line in zip(styles, code.splitlines(), strict=True)
    ]


@pytest.mark.parametrize(
    ("code", "language"),
    [(PYTHON, "python"), (C, "c"), (JAVASCRIPT, "js"), (PYTHON * 20, "python")],
    ids=["python", "c", "javascript", "long"],
)
def test_lines_are_coloured_as_in_the_whole(code: str, language: str) -> None:
    assert seen(code, colours(code, language)) == seen(
        code, colours_of_whole(code, language)
    )


def test_what_is_no_code_of_its_language_is_not_marked_as_wrong() -> None:
    colored = Highlighter().line(Code("json"), "{'a': ...")

    assert not any("red" in str(span.style) for span in colored.text.spans)


@pytest.mark.slow
@pytest.mark.untraced
def test_what_is_looked_at_again_does_not_grow() -> None:
    highlighter = Highlighter()
    place = Code("python")
    sizes = []
    for _ in range(500):
        place = highlighter.line(place, "    x = 'never at the margin'").after
        sizes.append(len(place.before))

    assert max(sizes) < 1000


def test_an_endless_string_is_given_up() -> None:
    highlighter = Highlighter()
    place = highlighter.line(Code("python"), '"""').after
    for _ in range(1000):
        place = highlighter.line(place, "text of the string").after

    assert len(place.before) < 5000


@pytest.mark.parametrize("language", ["", "no-such-language", "../x", "\x00", "[bold]"])
def test_an_unknown_language_stays_plain(language: str) -> None:
    colored = Highlighter().line(Code(language), "if x: return")

    assert (colored.text.plain, colored.text.spans) == ("if x: return", [])


def test_a_line_that_is_data_stays_plain() -> None:
    colored = Highlighter().line(Code("python"), "x = 1; " * 1000)

    assert colored.text.spans == []


def test_the_languages_remembered_are_bounded() -> None:
    highlighter = Highlighter()
    for number in range(200):
        highlighter.line(Code(f"l{number}"), "x")

    assert len(highlighter._lexers) <= 64


def test_a_line_may_come_in_pieces() -> None:
    highlighter = Highlighter()

    first = highlighter.line(Code("python"), "x = 'ab", ends_line=False)
    second = highlighter.line(first.after, "cd'")

    assert second.text.plain == "cd'"
    assert {str(span.style) for span in second.text.spans} == {"yellow"}
