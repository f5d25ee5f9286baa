"""What a load test asks: built-in prompts, a file of them, or made to a length.

A server may keep the state of a prompt it has seen (a prefix cache), so repeated
prompts can make it look faster than it is for new ones. Prompts made to a length begin
with words of their own, each another; those of a file are taken as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from ..errors import ConfigError
from ..jsontext import told
from ..messages import Message

_CODE = """\
def mean(values):
    total = 0
    for value in values:
        total =+ value
    return total / len(values)"""
_LOG = "\n".join(
    f"2026-03-0{1 + number % 9} 0{number % 10}:1{number % 6} node{number % 4} {event}"
    for number in range(6)
    for event in (
        f"disk sda1 at 9{number}%",
        "sshd: 3 failed logins",
        "eth0: link down, up again after 4 s",
        "backup finished in 42 min",
    )
)

_SHORT = (
    "Name three colours.",
    "What is the capital of Australia, and why is it not Sydney?",
)
_MIDDLE = (
    "Explain in two sentences what a hash table is, to somebody who has never written"
    " a program."
)
_EMAIL = (
    "Write a short and polite e-mail that moves a meeting from Tuesday to Thursday and"
    " gives no reason. Sign it with no name, and offer two times of day."
)
_REVIEW = f"Review this function and name each mistake in it:\n\n{_CODE}"
_SUMMARY = f"Sum up this log in three points, the most urgent first.\n\n{_LOG}"

BUILT_IN = (*_SHORT, _MIDDLE, _EMAIL, _REVIEW, _SUMMARY)
"""Questions from a few tokens to some hundred, as people and scripts ask them."""

_WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are"
    " this have from or had an they which one you were all her she there would their"
    " we him been has when who will no more if out so up said what its about than into"
    " them can only other time new some could these two may first then do any like my"
    " now"
)
_DIGEST_BYTES = 8


class Prompts(NamedTuple):
    """The prompts of a test.

    `messages` makes those of a request's number; `described` says what they are to
    people, `digest` is the same for the same prompts. `is_rendered` tells whether
    templates make them, which takes time at each request.
    """

    messages: Callable[[int], tuple[Message, ...]]
    described: str
    digest: str
    is_rendered: bool = False


def built_in_prompts() -> Prompts:
    """Return the prompts for who brings none."""
    return listed_prompts([_user(text) for text in BUILT_IN], "built-in prompts")


def listed_prompts(
    conversations: Sequence[tuple[Message, ...]], described: str
) -> Prompts:
    """Return prompts that are taken in turn, again and again."""
    kept = tuple(conversations)
    digest = digest_of([m.content for messages in kept for m in messages])
    return Prompts(
        lambda number: kept[number % len(kept)], f"{len(kept)} {described}", digest
    )


def made_prompts(tokens: int, seed: int) -> Prompts:
    """Return prompts of about `tokens` tokens, each another one.

    Words that are a token each with most tokenizers; the report has the server's own
    count. The same seed makes the same prompts.
    """

    def messages(number: int) -> tuple[Message, ...]:
        draws = Random(f"{seed}/{number}")  # noqa: S311  a seed makes it repeatable
        words = draws.choices(_WORDS.split(), k=max(1, tokens))
        return _user(" ".join(words))

    described = f"prompts of about {tokens} tokens"
    return Prompts(messages, described, digest_of([described, str(seed)]))


def read_prompts(text: str, name: str) -> Prompts:
    """Return the prompts of a file: one a line, or JSON Lines.

    A file whose first line is a JSON object has one on each: `prompt`, or `messages`
    as `batch` takes them, and `system`. Raises: ConfigError.
    """
    # Not splitlines, which parts JSON's strings at U+2028 and U+0085.
    every = enumerate((line.removesuffix("\r") for line in text.split("\n")), 1)
    lines = [(number, line) for number, line in every if line.strip()]
    if not lines:
        raise ConfigError(f"'{name}' holds no prompts")
    if lines[0][1].lstrip().startswith("{"):
        found = [_object(line, f"'{name}', line {number}") for number, line in lines]
    else:
        found = [_user(line) for _, line in lines]
    return listed_prompts(found, f"prompts of '{name}'")


def cache_prompts(base: Prompts, hit_ratio: float, seed: int) -> Prompts:
    """Return prompts of which a share was asked before, for the cache to answer.

    As many as `hit_ratio` says repeat one of those before them; the others are new.
    """

    def messages(number: int) -> tuple[Message, ...]:
        is_new = _new_ones(number + 1, hit_ratio) > _new_ones(number, hit_ratio)
        which = _new_ones(number, hit_ratio)
        if not is_new:
            which = Random(f"{seed}/{number}").randrange(which)  # noqa: S311
        first, *others = base.messages(which)
        marked = first._replace(content=f"[{which}] {first.content}")
        return (marked, *others)

    described = f"{base.described}, {hit_ratio:.0%} of them asked before"
    digest = digest_of([base.digest, described, str(seed)])
    return Prompts(messages, described, digest, base.is_rendered)


def _new_ones(count: int, hit_ratio: float) -> int:
    """Return how many of the first `count` requests are new; the first one is."""
    return max(min(count, 1), math.ceil(count * (1 - hit_ratio) - 1e-9))


def _user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def _object(line: str, where: str) -> tuple[Message, ...]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: no JSON object: {told(error)}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: no JSON object")
    system = document.get("system")
    if not isinstance(system, str | None):
        raise ConfigError(f"{where}: 'system' is no string")
    before = (Message("system", system),) if system else ()
    prompt = document.get("prompt")
    if isinstance(prompt, str) and prompt:
        return (*before, *_user(prompt))
    given = document.get("messages")
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{where}: neither 'prompt' nor 'messages'")
    return (*before, *(_message(one, where) for one in given))


def _message(document: object, where: str) -> Message:
    match document:
        case {"role": "system" | "user" | "assistant" as role, "content": str(text)}:
            return Message(role, text)
    raise ConfigError(f"{where}: a message is no object with 'role' and 'content'")


def digest_of(parts: Sequence[str]) -> str:
    """Return what tells prompts from others."""
    whole = "\0".join(parts).encode("utf-8", "replace")
    return blake2b(whole, digest_size=_DIGEST_BYTES).hexdigest()
