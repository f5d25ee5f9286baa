"""/commands about what is kept: files, conversations, figures, the cache."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterable

from ..errors import ConfigError, OutputError, UsageError
from ..files import write_whole
from ..history import Turn
from ..messages import Json, Message
from ..terminal.sanitize import visible
from ..units import format_duration, format_size
from ..upkeep.cache_care import Filter, cache_stats, clear_cache
from ..upkeep.transcripts import image_documents, images_of
from .asked import context_used
from .room import Effect, Room, Slash

_LISTED = 20
_EXCERPT = 60
_ROLES = {"user": "You", "assistant": "Assistant", "system": "System"}


def as_markdown(turns: Iterable[Turn]) -> str:
    """Return a conversation as Markdown."""
    parts = []
    for turn in turns:
        name = _ROLES[turn.message.role]
        if turn.model:
            name += f" ({turn.model})"
        mark = "\n\n*interrupted*" if turn.is_interrupted else ""
        for image in turn.message.images:
            size = format_size(len(image.data))
            name += f"\n\n({image.media_type}, {size})"
        parts.append(f"## {name}\n\n{turn.message.content}{mark}\n")
    return "\n".join(parts)


def as_json(turns: Iterable[Turn]) -> str:
    """Return a conversation as JSON, images as base64."""
    messages: list[Json] = []
    for turn in turns:
        fields: dict[str, Json] = {
            "role": turn.message.role,
            "content": turn.message.content,
            "model": turn.model,
            "backend": turn.backend,
            "interrupted": turn.is_interrupted,
        }
        if turn.message.images:
            fields["images"] = image_documents(turn.message.images)
        if turn.options is not None:
            fields["options"] = dict(turn.options)
        messages.append(fields)
    document = {"version": 1, "messages": messages}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _save(room: Room, argument: str) -> Effect:
    if not argument:
        raise UsageError("/save wants a FILE", hint="one that ends in .json is JSON")
    path = os.path.abspath(room.path(argument))
    if not os.path.isdir(os.path.dirname(path)):
        raise OutputError(f"cannot write '{argument}': No such file or directory")
    text = (as_json if path.endswith(".json") else as_markdown)(room.talk.turns())
    try:
        write_whole(path, text.encode("utf-8", "replace"), is_replaced=False)
    except UsageError:
        raise UsageError(f"'{argument}' exists", hint="choose another name") from None
    return Effect(says=f"saved as {argument}")


def _load(room: Room, argument: str) -> Effect:
    if not argument:
        raise UsageError("/load wants a FILE", hint="one that /save wrote as .json")
    text = room.read_text(argument)
    try:
        document = json.loads(text)
        said = [_turn(one) for one in document["messages"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(f"'{argument}' is no conversation as /save writes") from None
    conversation = room.conversations.new()
    conversation.extend(said)
    room.begin(conversation)
    return Effect(says=f"{len(said)} messages loaded", is_new=True)


def _turn(fields: dict[str, Json]) -> Turn:
    role, content = fields["role"], fields["content"]
    if not isinstance(content, str):
        raise TypeError(content)
    now = time.time()
    if role == "user":
        images = images_of(fields.get("images", []))
        return Turn(Message("user", content, images), "", "", now)
    if role == "system":
        return Turn(Message("system", content), "", "", now)
    if role != "assistant":
        raise ValueError(role)
    model, backend = str(fields.get("model") or ""), str(fields.get("backend") or "")
    is_interrupted = bool(fields.get("interrupted"))
    turn = Turn(Message("assistant", content), model, backend, now, is_interrupted)
    options = fields.get("options")
    return turn._replace(options=options if isinstance(options, dict) else None)


def _history(room: Room, argument: str) -> Effect:
    kept = room.conversations
    if argument:
        conversation = kept.open(argument)
        room.begin(conversation)
        return Effect(says=f"going on with {conversation.id}", is_new=True)
    lines = [
        f"{one.id}  {_moment(one.last_at)}  {one.turn_count:4} turns  "
        f"{_excerpt(one.title)}"
        for one in kept.list()[:_LISTED]
    ]
    return Effect(says="\n".join(lines) or "no conversations are kept")


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _excerpt(text: str, around: str = "") -> str:
    flat = visible(" ".join(text.split()), keep="")
    at = max(0, flat.casefold().find(around.casefold()) - _EXCERPT // 3)
    shown = flat[at : at + _EXCERPT]
    before, after = "…" if at else "", "…" if at + _EXCERPT < len(flat) else ""
    return f"{before}{shown}{after}"


def _search(room: Room, argument: str) -> Effect:
    if not argument:
        raise UsageError("/search wants a TEXT")
    lines = [
        f"{number:4} {_ROLES[turn.message.role]}: "
        f"{_excerpt(turn.message.content, argument)}"
        for number, turn in enumerate(room.talk.turns(), 1)
        if argument.casefold() in turn.message.content.casefold()
    ]
    here = room.talk.conversation.id
    for match in room.conversations.search(argument):
        if len(lines) >= _LISTED:
            break
        if match.summary.id != here:
            excerpt = _excerpt(match.turn.message.content, argument)
            lines.append(f"{match.summary.id} {match.number}: {excerpt}")
    return Effect(says="\n".join(lines[:_LISTED]) or f"nothing holds '{argument}'")


def _stats(room: Room, argument: str) -> Effect:
    answers = room.talk.answers
    live = [facts for facts in answers if not facts.is_cached]
    waits = [facts.ttft_s for facts in live if facts.ttft_s is not None]
    rates = [facts.tokens_per_s for facts in live if facts.tokens_per_s]
    tokens = sum(facts.usage.completion_tokens or 0 for facts in live)
    lines = [
        f"answers     {len(answers)}, {len(answers) - len(live)} of the cache",
        f"tokens      {tokens}",
    ]
    if waits:
        lines.append(
            f"TTFT        {format_duration(statistics.median(waits))} (median)"
        )
    if rates:
        lines.append(f"tokens/s    {statistics.median(rates):.1f} (median)")
    used = context_used(room.talk.facts.usage)
    if used is not None:
        lines.append(f"context     {used} tokens")
    said: list[Turn] = [t for t in room.talk.turns() if t.is_said]
    name = room.talk.conversation.id
    lines.append(f"messages    {len(said)}" + (f" in {name}" if name else ""))
    return Effect(says="\n".join(lines))


def _cache(room: Room, argument: str) -> Effect:
    cache = room.talk.engine.cache
    if argument == "clear":
        return Effect(says=f"{clear_cache(cache, Filter())} answers removed")
    if argument:
        raise UsageError(f"/cache knows no '{argument}'", hint="it knows clear")
    stats = cache_stats(cache, room.environ)
    return Effect(
        says=f"entries     {stats.entries} ({format_size(stats.size_bytes)})\n"
        f"hits        {stats.hits}\nmisses      {stats.misses}\n"
        f"hit ratio   {stats.hit_ratio():.0%}"
    )


KEEPING = (
    Slash("save", "FILE", "write it as Markdown, or as JSON (.json)", _save, "files"),
    Slash("load", "FILE", "go on with what /save wrote as JSON", _load, "files"),
    Slash("history", "[ID]", "list conversations, or go on", _history, "conversations"),
    Slash("search", "TEXT", "look for a text in all conversations", _search),
    Slash("stats", "", "figures of this chat", _stats),
    Slash("cache", "[clear]", "figures of the response cache, or empty it", _cache),
)
"""The commands of this module."""
