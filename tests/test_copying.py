"""What is copied is what is shown, and nothing in it drives a terminal."""

from __future__ import annotations

import pytest

from llmwrap.repl.copying import pasteable


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\tb\u00adc\u200bd\ufeff \u200f", "a\tb\u00adc\u200bd\ufeff \u200f"),
        ("a\x1b[201~\rb\x9b\u202e\ud800", "a^[[201~^Mb<U+009B><U+202E>\ufffd"),
    ],
)
def test_what_is_pasted_is_what_was_written(text: str, copied: str) -> None:
    assert pasteable(text) == copied
