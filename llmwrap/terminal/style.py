"""Colour of the labels and of the reasoning on stderr.

Not for: the answer, which `markdown` renders. colorama is imported
only when colour is on, and nothing else ever: an error line on a pipe must not
pay for either.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing would cost more than this whole module
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .themes import Theme


def wants_color(mode: str, is_tty: bool, environ: Mapping[str, str]) -> bool:
    """Decide whether a stream gets colour.

    `mode` is what `--color` takes: `always` and `never` win over the environment, as
    an option should; `auto` wants a terminal that is not dumb, and no NO_COLOR.

    See: no-color.org (set and not empty).
    """
    if mode != "auto":
        return mode == "always"
    return is_tty and not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb"


def prepare_console() -> None:
    """Make a Windows console understand escape sequences; elsewhere do nothing.

    Call it once, before the first coloured or redrawn output.
    """
    if sys.platform == "win32":
        from colorama import just_fix_windows_console

        just_fix_windows_console()


class Palette:
    """The colours of one stream; may be shared between threads.

    Made with `color` off it returns every text as it is. `theme` None: the terminal's
    own colours.
    """

    __slots__ = ("_codes", "_reset")

    def __init__(self, *, color: bool, theme: Theme | None = None) -> None:
        self._codes: dict[str, str] = {}
        self._reset = ""
        if color:
            from colorama import Fore, Style

            self._reset = str(Style.RESET_ALL)
            self._codes = (
                _of_theme(theme)
                if theme and theme.background
                else {
                    "error": f"{Style.BRIGHT}{Fore.RED}",
                    "warning": f"{Style.BRIGHT}{Fore.YELLOW}",
                    "note": f"{Style.BRIGHT}{Fore.CYAN}",
                    "reasoning": f"{Style.DIM}",
                }
            )

    def paint(self, label: str, text: str) -> str:
        """Return `text` in the colour of `label`, if it has one.

        Sanitise it before, not after.
        """
        code = self._codes.get(label, "")
        return f"{code}{text}{self._reset}" if code and text else text


def _of_theme(theme: Theme) -> dict[str, str]:
    looks = {
        "error": theme.error,
        "warning": theme.warning,
        "note": theme.note,
        "reasoning": theme.quiet,
    }
    ground = f"48;5;{_cube(theme.background)}"
    return {
        label: f"\x1b[{'1;' * look.is_bold}38;5;{_cube(look.color)};{ground}m"
        for label, look in looks.items()
    }


def _cube(color: str) -> int:
    """Return the number of a colour that stands in the cube of xterm's 256."""
    red, green, blue = (_LEVELS.index(color[at : at + 2]) for at in (1, 3, 5))
    return 16 + 36 * red + 6 * green + blue


_LEVELS = ("00", "5f", "87", "af", "d7", "ff")
