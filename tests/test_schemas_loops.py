"""Answers that never end: seen while they come, however they are cut."""

from __future__ import annotations

import pytest

from llmwrap.schemas.loops import BLANKS, DIGITS, LoopWatch

LOOPS = {
    "blanks": '{"a":' + " " * (BLANKS + 1),
    "lines": '{"a": "b"' + " \n\t" * 100,
    "behind prose": 'It is 5" long\n{"a":' + " " * 300,
    "digits": '{"a": ' + "1" * (DIGITS + 1),
    "fraction": '{"a": 0.' + "3" * DIGITS,
    "behind an escape": '{"a\\\\": "\\"' + '" ' + " " * 300,
}
FINE = {
    "few blanks": '{"a":' + " " * BLANKS + "1}",
    "in a string": '{"a": "' + " " * 5000 + '"}',
    "digits in a string": '["' + "1" * 5000 + '"]',
    "behind an escaped quote": '["\\"' + " " * 300 + '"]',
    "behind an escaped backslash": '["\\\\", " ' + " " * 300 + '"]',
    "few digits": "[" + "1" * DIGITS + "]",
    "many numbers": "[" + "123456, " * 1000 + "1]",
    "indented": "[\n" + "    {},\n" * 1000 + "{}]",
}


def found(pieces: list[str]) -> str:
    watch = LoopWatch()
    for piece in pieces:
        watch.add(piece)
    return watch.found


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_is_found_wherever_it_is_cut(text: str) -> None:
    for at in range(len(text) + 1):
        assert found([text[:at], text[at:]])
    assert found(list(text))


@pytest.mark.parametrize("text", FINE.values(), ids=FINE.keys())
def test_what_is_none_is_left_alone_wherever_it_is_cut(text: str) -> None:
    for at in range(0, len(text) + 1, 7):
        assert found([text[:at], text[at:]]) == ""
    assert found(list(text)) == ""


def test_it_says_what_it_is() -> None:
    assert found([LOOPS["blanks"]]).startswith("more than 256 blanks")
    assert found([LOOPS["digits"]]).startswith("a number of more than 64 digits")
