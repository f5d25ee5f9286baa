"""A theme as rich's styles.

Not for: which colours there are (`themes`). Importing it imports rich.
"""

from __future__ import annotations

from typing import TypeAlias

from rich.color import ColorSystem
from rich.style import Style
from rich.syntax import Syntax

from .themes import DEFAULT, Look, Theme

RunStyle: TypeAlias = Style
"""The style of a run of text, for those who draw it by other means than rich."""

_OWN_TOKENS = "ansi_dark"  # the terminal's own 16 colours, on its own background


def style_of(look: Look, background: str = "") -> Style:
    """Return a look as a style."""
    return Style(
        color=look.color or None,
        bgcolor=background or None,
        bold=look.is_bold or None,
        italic=look.is_italic or None,
        underline=look.is_underlined or None,
        dim=look.is_dim or None,
        reverse=look.is_reversed or None,
    )


class Paint:
    """The styles of one theme; may be shared between threads.

    `has_highlighting` False leaves code in one colour.
    """

    def __init__(
        self, theme: Theme = DEFAULT, *, has_highlighting: bool = True
    ) -> None:
        self.theme = theme
        self.has_highlighting = has_highlighting
        self.base = style_of(theme.text, theme.background)
        self.prefix = style_of(theme.prefix)
        self.rule = style_of(theme.quiet)
        self.headings = tuple(style_of(look) for look in theme.headings)
        self.code = style_of(theme.code)
        self.link = style_of(theme.link)
        self.address = style_of(theme.address)
        self._own_tokens = None
        if not theme.background:
            self._own_tokens = Syntax.get_theme(_OWN_TOKENS)

    @property
    def color_system(self) -> ColorSystem:
        """Return how many colours are used: 16, or the 256 that themes draw from."""
        is_own = self.theme.background == ""
        return ColorSystem.STANDARD if is_own else ColorSystem.EIGHT_BIT

    def look(self, name: str) -> Style:
        """Return the style of one of the theme's looks, on its background."""
        look: Look = getattr(self.theme, name)
        return style_of(look, self.theme.background)

    def token(self, kind: tuple[str, ...]) -> Style:
        """Return the style of a kind of token, as pygments names it."""
        if self._own_tokens is not None:
            return self._own_tokens.get_style_for_token(kind)
        for word in reversed(kind):
            look = self.theme.tokens.get(word)
            if look:
                return style_of(look)
        return Style.null()

    def ansi(self, text: str, style: Style) -> str:
        """Return a run of text as escape sequences, closed behind it."""
        return (self.base + style).render(text, color_system=self.color_system)
