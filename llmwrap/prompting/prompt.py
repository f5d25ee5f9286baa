"""What is asked, put together from operands, files, images and stdin.

Pure but for reading the files that are named. The constant part comes first, so that
a server's prefix cache can help when only the input changes.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence

from ..config import Config
from ..errors import ConfigError, DeadlineError, LimitError
from ..messages import Image
from ..named_files import read_named
from ..units import format_size
from .text import decoded

_BEGINNINGS: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def joined_prompt(
    words: Sequence[str], files: Sequence[tuple[str, str]], piped: str
) -> str:
    """Return the prompt: words joined by blanks, then files, then what was piped.

    `files` are pairs of name and text. The parts are parted by a blank line; one
    final newline of `piped` is dropped.
    """
    newline = "\r\n" if piped.endswith("\r\n") else "\n"
    named = [_named(name, text) for name, text in files]
    parts = [" ".join(words), *named, piped.removesuffix(newline)]
    return "\n\n".join(part for part in parts if part)


def _named(name: str, text: str) -> str:
    # A fence that no line of the file can end.
    starts = (line.lstrip(" ") for line in text.splitlines())
    longest = max((len(line) - len(line.lstrip("`")) for line in starts), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{name}:\n{fence}\n{text.removesuffix(chr(10))}\n{fence}"


def read_input(
    path: str,
    limit_bytes: int,
    until: float | None = None,
    *,
    is_private: bool = False,
    hint: str = "",
) -> bytes:
    """Return the bytes of a file the user named, `until` being the deadline.

    `is_private`: nobody else may open it; `hint` is for a file that is longer.

    Raises: ConfigError when it cannot be read, LimitError when it is too large,
    DeadlineError for a pipe that does not end.
    """
    try:
        data, mode = read_named(path, limit_bytes, until)
    except DeadlineError as error:
        error.hint = "--timeout sets it"
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot read '{path}': {reason}") from error
    if is_private and mode & 0o077 and stat.S_ISREG(mode):
        raise ConfigError(f"others may open '{path}'", hint="run 'chmod 600' on it")
    if len(data) > limit_bytes:
        raise LimitError(
            f"'{path}' is longer than {format_size(limit_bytes)}", hint=hint
        )
    return data


def default_system(config: Config) -> str | None:
    """Return the configured system prompt, out of its file if it names one.

    Raises: as `read_input`.
    """
    text = config.defaults.system
    if text is None or not text.startswith("@"):
        return text
    data = read_input(text[1:], config.limits.prompt_bytes)
    return decoded(data, text[1:]).text.rstrip("\n")


def checked_image(data: bytes, name: str) -> Image:
    """Return an image for a vision model. Raises: ConfigError for what is none."""
    for beginning, offset, media_type in _BEGINNINGS:
        if data[offset : offset + len(beginning)] == beginning:
            return Image(data, media_type)
    raise ConfigError(
        f"'{name}' is no image that models take",
        hint="PNG, JPEG, GIF and WebP are",
    )
