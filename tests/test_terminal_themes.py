"""The contrast of themes, computed as WCAG 2.2 has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmwrap.terminal.paint import Paint
from llmwrap.terminal.themes import HIGH_CONTRAST, LOOKS, THEMES, Look, Theme

AAA, AA = 7.0, 4.5
NAMED = [theme for theme in THEMES.values() if theme.background]
CUBE = {0, 95, 135, 175, 215, 255}


def channels(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def luminance(color: str) -> float:
    """Return the relative luminance. See: WCAG 2.2, definitions."""
    parts = [channel / 255 for channel in channels(color)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def pairs(theme: Theme) -> Iterator[tuple[str, str, str]]:
    """Yield what is written, its colour and what it is written on."""
    looks: list[tuple[str, Look]] = [(name, getattr(theme, name)) for name in LOOKS]
    looks += [(f"heading {n}", look) for n, look in enumerate(theme.headings)]
    looks += list(theme.tokens.items())
    for name, look in looks:
        yield name, look.color, theme.background
    yield "bar", theme.bar.color, theme.bar_background
    yield "match", theme.match.color, theme.match_background


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_high_contrast_is_aaa_everywhere() -> None:
    poor = [p for p in pairs(HIGH_CONTRAST) if contrast(p[1], p[2]) < AAA]

    assert poor == []


@pytest.mark.parametrize("theme", NAMED, ids=lambda theme: theme.name)
def test_every_theme_is_aa_everywhere(theme: Theme) -> None:
    poor = [p for p in pairs(theme) if contrast(p[1], p[2]) < AA]

    assert poor == []


@pytest.mark.parametrize("theme", NAMED, ids=lambda theme: theme.name)
def test_no_terminal_of_256_colours_rounds_a_colour(theme: Theme) -> None:
    colors = [color for _, *both in pairs(theme) for color in both]

    assert [c for c in colors if not set(channels(c)) <= CUBE] == []


def test_high_contrast_dims_nothing() -> None:
    looks = [getattr(HIGH_CONTRAST, name) for name in LOOKS]

    assert not any(look.is_dim for look in [*looks, *HIGH_CONTRAST.tokens.values()])


def test_tokens_have_the_colours_of_the_theme() -> None:
    paint = Paint(HIGH_CONTRAST)

    comment = paint.token(("Comment", "Single"))
    assert comment.color is not None
    assert comment.color.name == HIGH_CONTRAST.quiet.color
