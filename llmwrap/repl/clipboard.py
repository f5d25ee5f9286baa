"""The user's clipboard: by a program that says whether it took a text, or by none.

Not for: OSC 52, the clipboard of the terminal itself, which nobody confirms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

_LONGEST_S = 3.0


class _Way(NamedTuple):
    """A program that takes a text on stdin, and what is true once it ended with 0."""

    command: tuple[str, ...]
    says: str


_WAYLAND = _Way(("wl-copy",), "copied by wl-copy")
_X11 = (
    _Way(("xclip", "-selection", "clipboard"), "copied by xclip"),
    _Way(("xsel", "--clipboard", "--input"), "copied by xsel"),
)
_MACOS = _Way(("pbcopy",), "copied by pbcopy")
_TMUX = _Way(
    ("tmux", "load-buffer", "-w", "-"),
    "copied into tmux's buffer; whether the terminal took it too is not known",
)


def copied(text: str, environ: Mapping[str, str]) -> str:
    """Put a text on the clipboard, within seconds; return what is true then.

    That is empty where no program took it. Any thread may call it.
    """
    # Late: few chats copy anything, and these take longer than the first picture.
    import shutil
    import subprocess

    data = text.encode("utf-8", "replace")
    for way in _ways(environ):
        program = shutil.which(way.command[0], path=environ.get("PATH", ""))
        if program is None:
            continue
        try:
            done = subprocess.run(
                [program, *way.command[1:]],
                input=data,
                # What stays behind to serve the clipboard must hold no pipe of ours,
                # and outlive the terminal.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=dict(environ),
                timeout=_LONGEST_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return way.says
    return ""


def _ways(environ: Mapping[str, str]) -> Iterator[_Way]:
    """Yield what leads to the clipboard of who sits in front of it, the best first."""
    is_here = not (environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))
    if is_here and environ.get("WAYLAND_DISPLAY"):
        yield _WAYLAND
    if environ.get("DISPLAY"):  # over ssh it is that of the user's own machine
        yield from _X11
    if is_here:
        yield _MACOS
    if environ.get("TMUX"):
        yield _TMUX
