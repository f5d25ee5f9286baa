"""Whether a server cut the prompt in silence, as its own counts give it away. Pure.

Ollama's /v1, and each gateway in front of it, drops the beginning of a prompt that is
too long and answers as if nothing had been. No text has fewer tokens than words, as no
tokenizer joins words over a blank; a prompt that goes on where another one ended has
more tokens than that one. What the server had in its cache counts, if it says so; a
count of 0 says nothing, and nor does one with images, which every server counts in its
own way.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import IncompleteError
from ..messages import Completion, Request
from ..units import format_size

_LEAST_WORDS = 100
_MOST_BYTES_PER_TOKEN = 16


def cut_error(request: Request, counted: int) -> IncompleteError | None:
    """Return the error for a prompt that was cut for certain.

    `counted` are its tokens by the server's count, those in its cache too, 0 for none.
    """
    words = sum(len(message.content.split()) for message in request.messages)
    if not _says_something(request, counted) or not _LEAST_WORDS <= words > counted:
        return None
    return IncompleteError(
        f"the prompt was cut: it has {words} words, and the server counted {counted}"
        " tokens in it",
        trouble="cut_prompt",
    )


def suspicions(
    request: Request, completion: Completion, counted: int, context_tokens: int | None
) -> Iterator[str]:
    """Yield what makes a cut likely: a warning each.

    `context_tokens` is the context in force, None where it is not known.
    """
    total = counted + (completion.usage.completion_tokens or 0)
    if context_tokens and total > context_tokens:
        yield (
            f"prompt and answer have {total} tokens, and the context has"
            f" {context_tokens}: the server forgot the beginning while it answered"
        )
    if not _says_something(request, counted):
        return
    size_bytes = request.prompt_bytes
    if size_bytes > counted * _MOST_BYTES_PER_TOKEN:
        yield (
            f"the server counted {counted} tokens in a prompt of"
            f" {format_size(size_bytes)}: it may have cut the prompt"
        )
    earlier = request.earlier
    if earlier and counted < earlier.prompt_tokens and _goes_on(request, completion):
        yield (
            f"the server counted {counted} tokens in a prompt whose beginning had"
            f" {earlier.prompt_tokens}: it may have cut the prompt"
        )


def _says_something(request: Request, counted: int) -> bool:
    return bool(counted) and not any(message.images for message in request.messages)


def _goes_on(request: Request, completion: Completion) -> bool:
    """Tell whether a prompt begins with the earlier one, for whom that one was."""
    earlier = request.earlier
    return earlier is not None and (
        request.messages[: len(earlier.messages)] == earlier.messages
        and (completion.model, completion.backend) == (earlier.model, earlier.backend)
        and request.sampling.options == earlier.options
    )
