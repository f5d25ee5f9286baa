"""What was parsed is kept, while its file is the same and there is room."""

from __future__ import annotations

from llmwrap.templating import Template
from llmwrap.templating.parsed import ParsedTexts
from llmwrap.templating.stored import Stored


def stored(name: str, content: str) -> Stored:
    template = Template(name=name, content=content)
    return Stored(template, "user", f"/{name}", content, 1, (0, 0, 0))


def test_a_text_is_parsed_once_for_each_indent() -> None:
    texts, one = ParsedTexts(), stored("a", "x")

    parsed = texts.of(one)

    assert texts.of(one) is parsed
    assert texts.of(one, "  ") is not parsed
    assert texts.of(one, "  ") is texts.of(one, "  ")


def test_another_file_is_parsed_anew() -> None:
    texts = ParsedTexts()

    parsed = texts.of(stored("a", "x"))

    assert texts.of(stored("a", "x")) is not parsed


def test_what_has_no_room_takes_the_place_of_all() -> None:
    """The indent counts too: it is part of each line that is kept."""
    texts = ParsedTexts(most_characters=10)
    first, second, third = stored("a", "123456"), stored("b", "78"), stored("c", "9")
    before = texts.of(first), texts.of(second, "  ")
    assert (texts.of(first), texts.of(second, "  ")) == before

    last = texts.of(third)

    assert texts.of(third) is last
    assert texts.of(first) is not before[0]
    assert texts.of(second, "  ") is not before[1]


def test_room_is_counted_from_what_is_left() -> None:
    texts = ParsedTexts(most_characters=10)
    first, second, third = stored("a", "1234567"), stored("b", "1234"), stored("c", "1")
    texts.of(first)

    parsed = [texts.of(second), texts.of(third)]

    assert parsed == [texts.of(second), texts.of(third)]
    texts.of(stored("d", "12345"))
    assert parsed == [texts.of(second), texts.of(third)]
