"""What is copied is what is shown, and nothing in it drives a terminal."""

from __future__ import annotations

import pytest

from llmwrap.repl.copying import code_blocks, pasteable


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        ("Say\n```sh\none\n```\nor\n~~~~\ntwo\n~~~~\n", ["one\n", "two\n"]),
        ("```sh\r\none\r\ntwo\r\n```\r\nend\r\n", ["one\ntwo\n"]),
        ("1. Do\n\n   ```sh\n   one\n     two\n   ```\n", ["one\n  two\n"]),
        ("> ```\n> one\n> ```\n", ["one\n"]),
        ("````md\n```sh\none\n```\n````\n", ["```sh\none\n```\n"]),
        ("```make\nall:\n\tcc -o a\tb\n```", ["all:\n\tcc -o a\tb\n"]),
        ("so:\n\n    one\n\n    two\n\nend", ["one\n\ntwo\n"]),
        ("```\none\n\n\n```", ["one\n\n\n"]),
        ("``` a ` b\none\n", []),
        ("```py\nstill open", ["still open\n"]),
        ("", []),
    ],
)
def test_blocks_are_those_of_the_screen(answer: str, blocks: list[str]) -> None:
    assert code_blocks(answer) == blocks


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
