"""Templates in a directory: finding, reading and removing their files."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from ..config.complaints import printable
from ..errors import ConfigError, LimitError, OutputError
from ..units import format_size
from .frontmatter import read_template, take_apart
from .template import Template, is_name

LARGEST_BYTES = 256 << 10
MUSTACHE, HANDLEBARS = ".mustache", ".hbs"
_ENDINGS = (MUSTACHE, HANDLEBARS)


class TemplateDirectory(NamedTuple):
    """A directory of templates; `label` is `project`, `user` or `built-in`.

    `is_ours` says that it came with the program, whose files some installers link.
    In any other a link is not followed, as its end may be anywhere.
    """

    label: str
    directory: str
    is_ours: bool = False


class Stored(NamedTuple):
    """A template as it was in its file.

    `text` is all of the file. `mark` changes when the file does.
    """

    template: Template
    place: str
    path: str
    text: str
    first_line: int
    mark: tuple[int, int, int]


def find(
    places: tuple[TemplateDirectory, ...], name: str
) -> tuple[TemplateDirectory, str] | None:
    """Return the first place and path that a name has, None when it has none."""
    for place in places:
        for ending in _ENDINGS:
            path = os.path.join(place.directory, name + ending)
            if os.path.lexists(path):
                return place, path
    return None


def names_in(place: TemplateDirectory) -> list[str]:
    """Return the names of a directory's templates; one that is missing is empty.

    Raises: ConfigError when it cannot be read.
    """
    try:
        files = os.listdir(place.directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _cannot_read(place.directory, error.strerror) from error
    parted = [os.path.splitext(file) for file in files]
    return [stem for stem, ending in parted if ending in _ENDINGS and is_name(stem)]


def mark_of(place: TemplateDirectory, path: str) -> tuple[int, int, int] | None:
    """Return the mark of a file, None when there is none."""
    try:
        status = os.stat(path, follow_symlinks=place.is_ours)
    except OSError:
        return None
    return _mark(status)


def read(place: TemplateDirectory, path: str) -> Stored:
    """Return the template in a file; a Handlebars file is brought in.

    Raises: ConfigError, LimitError.
    """
    data, status = _content(place, path)
    text = text_of(data, path)
    name, ending = os.path.splitext(os.path.basename(path))
    added = 0
    if ending == HANDLEBARS:
        from .handlebars import brought_in  # late: only where such files lie

        lines = take_apart(text, path).first_line
        text = brought_in(name, text, path)
        added = take_apart(text, path).first_line - lines
    parts = take_apart(text, path)
    template = read_template(name, parts, path)
    if template.created_at is None:
        template = template._replace(created_at=float(int(status.st_mtime)))
    return Stored(
        template, place.label, path, text, parts.first_line - added, _mark(status)
    )


def raw_text(place: TemplateDirectory, path: str) -> str:
    """Return the text of a file as it stands. Raises: ConfigError, LimitError."""
    return text_of(_content(place, path)[0], path)


def text_of(data: bytes, path: str) -> str:
    """Return the text of a template's file. Raises: ConfigError, LimitError."""
    if len(data) > LARGEST_BYTES:
        largest = format_size(LARGEST_BYTES)
        raise LimitError(f"template '{printable(path)}' is longer than {largest}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"'{printable(path)}': not UTF-8 in line {line}") from error


def remove(path: str) -> None:
    """Remove a template's file. Raises: OutputError."""
    try:
        os.unlink(path)
    except OSError as error:
        raise OutputError(
            f"cannot delete '{printable(path)}': {error.strerror}"
        ) from error


def _content(place: TemplateDirectory, path: str) -> tuple[bytes, os.stat_result]:
    # Not waiting for a fifo.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    flags |= 0 if place.is_ours else os.O_NOFOLLOW
    try:
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _cannot_read(path, "it is no plain file")
            return file.read(LARGEST_BYTES + 1), status
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            why = "it is a link, and links are not followed"
            raise _cannot_read(path, why) from error
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise _cannot_read(path, "it is no plain file") from error
        raise _cannot_read(path, error.strerror) from error


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _cannot_read(path: str, why: str | None) -> ConfigError:
    return ConfigError(f"cannot read '{printable(path)}': {(why or '').lower()}")
