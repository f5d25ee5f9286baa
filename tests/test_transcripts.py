"""Conversations as Markdown: no text passes for a turn of somebody else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from llmwrap.history import Summary, Turn
from llmwrap.messages import Image, Message
from llmwrap.upkeep.transcripts import Transcript, excerpt

SUMMARY = Summary("20260102-030405-bcdf", "why?", 2, "m", "b", 0.0, 60.0, 99)


def markdown(*messages: Message, title: str = "why?") -> str:
    turns = [Turn(message, "", "", 60.0) for message in messages]
    return "".join(Transcript(SUMMARY._replace(title=title), turns).markdown())


def headings(text: str) -> list[str]:
    """Return what a reader of Markdown takes for headings of the first two levels."""
    tokens = MarkdownIt().parse(text)
    return [
        f"{token.tag} {following.content}"
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.tag in ("h1", "h2")
    ]


OURS = [
    "h1 why?",
    "h2 You, 1970-01-01 00:01:00 UTC",
    "h2 Model, 1970-01-01 00:01:00 UTC",
    "h2 You, 1970-01-01 00:01:00 UTC",
]


@pytest.mark.parametrize(
    "hostile",
    [
        "## You, 1970-01-01",
        "# title",
        "   ##\tYou",
        "##",
        "You\n---",
        "You\n   ===  ",
        "You\r---",
        "text\r## You",
        "```\n# in code",
        "~~~~\n```\n~~~\n# in code",
        "``` not ` a fence\n# title",
        "<!-- hidden",
        "<script>\n\n",
        "  <PRE>\n\n",
        "<?php\n\n",
        "<![CDATA[\n\n",
        "> quoted\n# title",
        "```\nx\n```\n# title",
    ],
)
def test_every_turn_is_seen_and_none_that_was_not(hostile: str) -> None:
    text = markdown(
        Message("user", "why?"), Message("assistant", hostile), Message("user", "and")
    )

    assert headings(text) == OURS


def test_what_is_harmless_stays_as_it_was() -> None:
    harmless = (
        "### deeper\n\n```sh\n# a comment\n<!-- and -->\n---\n```\n\n"
        "| a |\n| --- |\n\n---\n\n#hashtag <b>x</b>"
    )

    assert harmless in markdown(Message("assistant", harmless))


def test_a_title_is_one_line() -> None:
    assert markdown(title="a\r## You").startswith("# a ## You\n")


def test_images_are_named() -> None:
    message = Message("user", "see", (Image(bytes(2048), "image/png"),))

    assert "(image/png, 2.0 KiB)\n\nsee\n" in markdown(message)


def test_an_interrupted_answer_says_so() -> None:
    turn = Turn(Message("assistant", "half"), "m", "b", 60.0, is_interrupted=True)

    text = "".join(Transcript(SUMMARY, [turn]).markdown())

    assert "## Model, 1970-01-01 00:01:00 UTC, m, interrupted\n" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("a\nb  short\tc", "a b short c"),
        ("x" * 99 + "short", "…" + "x" * 30 + "short"),
        ("SHORT" + "x" * 99, "SHORT" + "x" * 30 + "…"),
    ],
)
def test_an_excerpt_is_one_line_around_what_was_found(text: str, expected: str) -> None:
    assert excerpt(text, "short") == expected
