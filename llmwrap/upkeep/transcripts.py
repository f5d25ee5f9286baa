"""Conversations as documents: for JSON, as Markdown, in a line. No I/O."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..history import Match, Summary, Turn
from ..messages import Image, Json
from ..units import format_size

# Outside of code, these begin a heading of our levels, or HTML that may hide all that
# follows; an underline makes a heading of the line above.
_OURS = re.compile(
    r" {0,3}(?=#{1,2}(?:\s|$)|<(?:[!?]|(?:pre|script|style|textarea)\b))", re.IGNORECASE
)
_UNDERLINE = re.compile(r" {0,3}(?=(?:-+|=+)[ \t]*$)")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_ROLES = {"system": "System", "user": "You", "assistant": "Model"}
_AROUND = 30


class Transcript(NamedTuple):
    """A conversation with all of its turns."""

    summary: Summary
    turns: Sequence[Turn]

    def document(self) -> dict[str, Json]:
        """Return it for JSON, images as base64."""
        turns: list[Json] = [turn_document(turn) for turn in self.turns]
        return {**summary_document(self.summary), "turns": turns}

    def markdown(self) -> Iterator[str]:
        """Yield it as Markdown, a piece for each turn.

        Headings of the first two levels are ours alone.
        """
        summary = self.summary
        yield f"# {' '.join(summary.title.split()) or summary.id}\n\n"
        yield f"{summary.id}, begun {moment(summary.started_at)}\n"
        for turn in self.turns:
            yield f"\n## {_heading(turn)}\n\n"
            for image in turn.message.images:
                yield f"({image.media_type}, {format_size(len(image.data))})\n\n"
            if text := _escaped(turn.message.content).strip("\n"):
                yield f"{text}\n"


def summary_document(summary: Summary) -> dict[str, Json]:
    """Return what a list says of a conversation, for JSON."""
    return {
        "id": summary.id,
        "title": summary.title,
        "turn_count": summary.turn_count,
        "model": summary.model or None,
        "backend": summary.backend or None,
        "started_at": summary.started_at,
        "last_at": summary.last_at,
        "bytes": summary.size_bytes,
    }


def turn_document(turn: Turn) -> dict[str, Json]:
    """Return a turn for JSON: what only answers have is left out of the others."""
    message = turn.message
    fields: dict[str, Json] = {
        "role": message.role,
        "text": message.content,
        "at": turn.at,
    }
    if message.images:
        fields["images"] = image_documents(message.images)
    if message.role == "assistant":
        fields["model"] = turn.model or None
        fields["backend"] = turn.backend or None
        fields["interrupted"] = turn.is_interrupted
        fields["cached"] = turn.is_cached
        fields["usage"] = dict(turn.usage._asdict())
    return fields


def image_documents(images: Iterable[Image]) -> list[Json]:
    """Return images for JSON."""
    return [
        {
            "media_type": image.media_type,
            "data": base64.b64encode(image.data).decode(),
        }
        for image in images
    ]


def images_of(documents: Json) -> tuple[Image, ...]:
    """Return the images of such JSON. Raises: ValueError, TypeError, KeyError."""
    if not isinstance(documents, list):
        raise TypeError(documents)
    images = []
    for one in documents:
        if not isinstance(one, dict):
            raise TypeError(one)
        data = base64.b64decode(str(one["data"]), validate=True)
        images.append(Image(data, str(one["media_type"])))
    return tuple(images)


def match_document(match: Match, wanted: str) -> dict[str, Json]:
    """Return a turn that was found, for JSON."""
    return {
        "id": match.summary.id,
        "title": match.summary.title,
        "turn": match.number,
        "excerpt": excerpt(match.turn.message.content, wanted),
        **turn_document(match.turn),
    }


def excerpt(text: str, wanted: str) -> str:
    """Return the surroundings of what was looked for, on one line."""
    at = max(0, text.casefold().find(wanted.casefold()))
    start, end = max(0, at - _AROUND), at + len(wanted) + _AROUND
    line = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{line}{'…' if end < len(text) else ''}"


def moment(at: float) -> str:
    """Return a wall clock for people, as the ids have it: UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _heading(turn: Turn) -> str:
    parts = [_ROLES[turn.message.role], moment(turn.at)]
    if turn.model:
        parts.append(" ".join(turn.model.split()))
    if turn.is_interrupted:
        parts.append("interrupted")
    return ", ".join(parts)


def _escaped(text: str) -> str:
    """Return Markdown that cannot pass for a turn of somebody else, nor hide one."""
    lines: list[str] = []
    fence = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        mark = _FENCE.match(line)
        if fence:
            is_end = mark and mark[1].startswith(fence) and not mark[2].strip()
            fence = "" if is_end else fence
        elif mark:
            fence = mark[1]
        elif (found := _OURS.match(line)) or (
            lines and lines[-1].strip() and (found := _UNDERLINE.match(line))
        ):
            lines.append(f"{found[0]}\\{line[found.end() :]}")
            continue
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)
