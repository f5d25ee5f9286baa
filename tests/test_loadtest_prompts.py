"""What a load test asks."""

from __future__ import annotations

import pytest

from llmwrap.errors import ConfigError
from llmwrap.loadtest.prompts import (
    Prompts,
    built_in_prompts,
    cache_prompts,
    made_prompts,
    read_prompts,
)
from llmwrap.messages import Message


def texts(prompts: Prompts, count: int) -> list[str]:
    """Return the last message of the first requests."""
    return [prompts.messages(number)[-1].content for number in range(count)]


def test_built_in_prompts_are_of_several_lengths_and_come_again() -> None:
    found = texts(built_in_prompts(), 12)

    assert found[:6] == found[6:]
    lengths = sorted(len(text.split()) for text in found[:6])
    assert lengths[0] < 5
    assert lengths[-1] > 100


def test_a_file_has_a_prompt_a_line() -> None:
    found = read_prompts("one\n\ntwo words\n", "f")

    assert texts(found, 3) == ["one", "two words", "one"]
    assert found.described == "2 prompts of 'f'"


def test_lines_end_where_files_end_them() -> None:
    assert texts(read_prompts("a\u2028b\r\nc\x85d", "f"), 2) == ["a\u2028b", "c\x85d"]


def test_a_file_may_be_json_lines() -> None:
    whole = (
        '{"prompt": "one", "system": "be brief"}\n'
        '{"messages": [{"role": "user", "content": "two"}]}\n'
    )

    found = read_prompts(whole, "f")

    assert found.messages(0) == (Message("system", "be brief"), Message("user", "one"))
    assert found.messages(1) == (Message("user", "two"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'f' holds no prompts"),
        (" \n\n", "'f' holds no prompts"),
        ('{"prompt": "a"}\n{', "line 2: no JSON object"),
        ('{"prompt": ""}', "line 1: neither 'prompt' nor 'messages'"),
        ('{"prompt": 1}', "line 1: neither"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "a message is no object"),
        ('{"prompt": "a", "system": 5}', "'system' is no string"),
        ('{"prompt": "a"}\n[]', "line 2: no JSON object"),
    ],
)
def test_what_is_no_prompt_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_prompts(text, "f")


def test_made_prompts_have_a_length_are_all_different_and_repeatable() -> None:
    found = texts(made_prompts(50, seed=1), 200)

    assert {len(text.split()) for text in found} == {50}
    assert len(set(found)) == 200
    assert texts(made_prompts(50, seed=1), 200) == found
    assert texts(made_prompts(50, seed=2), 1) != found[:1]


@pytest.mark.parametrize("hit_ratio", [0.0, 0.25, 0.8, 0.9, 1.0])
def test_as_many_prompts_were_asked_before_as_wanted(hit_ratio: float) -> None:
    found = texts(cache_prompts(built_in_prompts(), hit_ratio, seed=3), 200)

    again = [text for n, text in enumerate(found) if text in found[:n]]
    # The first one cannot have been asked before.
    assert len(again) == min(199, round(200 * hit_ratio))


def test_the_same_prompts_have_the_same_digest_and_others_another() -> None:
    assert read_prompts("a\nb", "f").digest == read_prompts("a\nb\n", "g").digest
    assert read_prompts("a\nb", "f").digest != read_prompts("a\nc", "f").digest
    assert made_prompts(5, seed=1).digest != made_prompts(5, seed=2).digest
    base = built_in_prompts()
    assert cache_prompts(base, 0.5, 0).digest != cache_prompts(base, 0.6, 0).digest
