"""What is known of the chat in one row: model, figures, what is under way."""

from __future__ import annotations

from ..terminal.sanitize import visible
from ..terminal.themes import Theme
from ..units import format_duration
from .asked import context_used
from .looks import Fragment, cut, look_style, theme_style
from .room import WARNING_LEVELS, Room

_WHEEL = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TURN_S = 0.1


def status_row(room: Room, theme: Theme, columns: int) -> list[Fragment]:
    """Return the row, at most `columns` wide."""
    bar = theme_style(theme, "bar")
    words = [" " + model_name(room), *_figures(room)]
    parts = [(bar, " · ".join(words))]
    if not room.talk.is_busy and (context := context_words(room)):
        parts += [(bar, " · "), (fullness_style(room, theme), context)]
    if room.attached:
        names = ", ".join(visible(name, keep="") for name in room.attached)
        parts.append((bar, f" · with {names}"))
    return cut([*parts, (bar, " ")], columns)


def context_words(room: Room) -> str:
    """Return how much of the context is used, empty where nothing is known."""
    talk = room.talk
    used = context_used(talk.facts.usage)
    if used is None:
        return ""
    options = talk.settings.sampling.options
    length = room.offers.context_tokens(talk.facts.model, options)
    return f"context {used}" + (f"/{length}" if length else "")


def fullness_style(room: Room, theme: Theme) -> str:
    """Return the style of that in the bar: another one when there is little left."""
    high, highest = WARNING_LEVELS
    fullness = room.fullness
    if fullness < high:
        return theme_style(theme, "bar")
    look = theme.error if fullness >= highest else theme.warning
    return look_style(look, theme.bar_background)


def model_name(room: Room) -> str:
    """Return the model that answers next, safe to show."""
    talk, found = room.talk, room.offers.found
    name = talk.settings.model or found.model or talk.facts.model
    return visible(name or "no model yet", keep="")


def waiting(room: Room) -> str:
    """Return what turns while the first token is awaited, empty at other times."""
    talk = room.talk
    if not talk.is_waiting:
        return ""
    waited_s = talk.waited_s
    return f"{_WHEEL[int(waited_s / _TURN_S) % len(_WHEEL)]} {waited_s:.0f}s"


def _figures(room: Room) -> list[str]:
    talk = room.talk
    facts = talk.facts
    words = []
    backend = facts.backend or room.offers.found.backend
    if backend:
        words.append(visible(backend, keep=""))
    if turning := waiting(room):
        return [*words, turning]
    if talk.is_busy:
        rate = talk.rate
        return [*words, "answering" + (f" {rate:.0f} tokens/s" if rate else "")]
    if facts.model:
        words.append("cached" if facts.is_cached else "live")
    if facts.ttft_s is not None:
        words.append(f"TTFT {format_duration(facts.ttft_s)}")
    if facts.tokens_per_s and not facts.is_cached:
        words.append(f"{facts.tokens_per_s:.0f} tokens/s")
    return words
