"""The colours of chats: what each thing looks like, by theme.

`default` uses the terminal's own sixteen colours on its own background. The others name
their colours and the background these are meant for; all of them stand in the cube of
xterm's 256 colours, so that no terminal has to round them and their contrast holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..config import Config


class Look(NamedTuple):
    """How a piece of text looks; a colour is `#rrggbb`, a name of ANSI's, or empty."""

    color: str = ""
    is_bold: bool = False
    is_italic: bool = False
    is_underlined: bool = False
    is_dim: bool = False
    is_reversed: bool = False


class Theme(NamedTuple):
    """A look for each kind of text; `background` is empty for the terminal's own."""

    name: str
    background: str
    text: Look
    quiet: Look
    """What stands beside the conversation: hints, reasoning, rules."""
    user: Look
    assistant: Look
    prefix: Look
    headings: tuple[Look, Look, Look]
    code: Look
    link: Look
    address: Look
    note: Look
    warning: Look
    error: Look
    bar: Look
    """The bars at the edges, on `bar_background`."""
    bar_background: str
    match: Look
    """What a search found, on `match_background`."""
    match_background: str
    tokens: Mapping[str, Look]
    """Code by the first word of pygments' token type; the rest looks like text."""


def _theme(  # the shape that all themes share
    name: str,
    background: str,
    text: str,
    quiet: Look,
    colors: str,
    bar: tuple[str, str],
) -> Theme:
    red, green, yellow, blue, magenta, cyan = colors.split()
    bar_color, bar_background = bar
    return Theme(
        name=name,
        background=background,
        text=Look(text),
        quiet=quiet,
        user=Look(green, is_bold=True),
        assistant=Look(cyan, is_bold=True),
        prefix=Look(cyan),
        headings=(
            Look(magenta, is_bold=True, is_underlined=True),
            Look(magenta, is_bold=True),
            Look(text, is_bold=True),
        ),
        code=Look(cyan),
        link=Look(blue),
        address=Look(blue, is_underlined=True),
        note=Look(cyan),
        warning=Look(yellow, is_bold=True),
        error=Look(red, is_bold=True),
        bar=Look(bar_color, is_reversed=not bar_background),
        bar_background=bar_background,
        match=Look(background or "black"),
        match_background=yellow,
        tokens=MappingProxyType(
            {
                "Comment": quiet._replace(is_italic=True),
                "Keyword": Look(blue, is_bold=True),
                "String": Look(green),
                "Number": Look(magenta),
                "Function": Look(cyan),
                "Class": Look(cyan, is_bold=True),
                "Tag": Look(blue),
                "Attribute": Look(cyan),
                "Operator": Look(yellow),
                "Decorator": Look(magenta),
            }
        ),
    )


_ALL = (
    _theme(
        "default",
        "",
        "",
        Look(is_dim=True),
        "red green yellow bright_blue magenta cyan",
        ("", ""),
    ),
    _theme(
        "dark",
        "#000000",
        "#d7d7d7",
        Look("#afafaf"),
        "#ff8787 #87d787 #d7d787 #87afff #d7afff #5fd7d7",
        ("#d7d7d7", "#00005f"),
    ),
    _theme(
        "light",
        "#ffffff",
        "#000000",
        Look("#5f5f5f"),
        "#af0000 #005f00 #5f5f00 #0000af #87005f #005f87",
        ("#000000", "#d7d7d7"),
    ),
    _theme(
        "high-contrast",
        "#000000",
        "#ffffff",
        Look("#d7d7d7"),
        "#ffafaf #afffaf #ffff00 #afd7ff #ffd7ff #00ffff",
        ("#000000", "#ffffff"),
    ),
)
THEMES: Mapping[str, Theme] = MappingProxyType({theme.name: theme for theme in _ALL})
"""All themes by name."""


def chosen_theme(config: Config) -> Theme:
    """Return the configured theme. Raises: ConfigError."""
    ui = config.ui
    if ui.theme not in THEMES:
        raise config.bad_value("ui.theme", ui.theme, list(THEMES))
    return HIGH_CONTRAST if ui.high_contrast else THEMES[ui.theme]


DEFAULT = _ALL[0]
HIGH_CONTRAST = _ALL[-1]
LOOKS = (
    *("text", "quiet", "user", "assistant", "prefix", "code", "link", "address"),
    *("note", "warning", "error"),
)
"""The fields that are single looks on the theme's background."""
