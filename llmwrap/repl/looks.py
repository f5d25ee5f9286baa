"""Looks of themes, and styles of rows, in prompt_toolkit's words.

Does not import rich, which the first picture of a chat does not need.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from ..terminal.themes import Look, Theme

if TYPE_CHECKING:
    from ..terminal.paint import RunStyle
    from ..terminal.render import Row

Fragment = tuple[str, str]
"""A style of prompt_toolkit, and text without control characters."""

_GRAYS = {"white": "ansigray", "bright_white": "ansiwhite"}
_STYLES = 512  # how many are remembered; themes have some thirty


def named_color(name: str) -> str:
    """Return a colour as prompt_toolkit names it."""
    if not name or name.startswith("#"):
        return name
    if name == "default":
        return "default"
    return _GRAYS.get(name, "ansi" + name.replace("_", ""))


def look_style(look: Look, background: str = "") -> str:
    """Return a look as a style."""
    words = [
        f"fg:{named_color(look.color)}" if look.color else "",
        f"bg:{named_color(background)}" if background else "",
        "bold" if look.is_bold else "",
        "italic" if look.is_italic else "",
        "underline" if look.is_underlined else "",
        "dim" if look.is_dim else "",
        "reverse" if look.is_reversed else "",
    ]
    return " ".join(word for word in words if word)


def theme_style(theme: Theme, name: str) -> str:
    """Return one of the looks of a theme on its background."""
    look: Look = getattr(theme, name)
    if name == "bar":
        return look_style(look, theme.bar_background)
    if name == "match":
        return look_style(look, theme.match_background)
    return look_style(look, theme.background)


@lru_cache(maxsize=_STYLES)
def run_style(style: RunStyle) -> str:
    """Return the style of a run."""
    words = [
        f"fg:{named_color(style.color.name)}" if style.color else "",
        f"bg:{named_color(style.bgcolor.name)}" if style.bgcolor else "",
        "bold" if style.bold else "",
        "italic" if style.italic else "",
        "underline" if style.underline else "",
        "strike" if style.strike else "",
        "dim" if style.dim else "",
        "reverse" if style.reverse else "",
    ]
    return " ".join(word for word in words if word)


def fragments(row: Row, base: str = "") -> list[Fragment]:
    """Return a row as it is drawn, over a base style."""
    return [(f"{base} {run_style(style)}", text) for style, text in row.runs]


def cut(parts: Iterable[Fragment], columns: int) -> list[Fragment]:
    """Return fragments cut to a width, counted in characters of one cell."""
    from prompt_toolkit.utils import get_cwidth

    found: list[Fragment] = []
    left = columns
    for style, text in parts:
        width = get_cwidth(text)
        if width > left:
            kept = text[:left]
            while kept and get_cwidth(kept) > max(0, left - 1):
                kept = kept[:-1]
            found.append((style, kept + "…" if left else ""))
            break
        found.append((style, text))
        left -= width
    return found
