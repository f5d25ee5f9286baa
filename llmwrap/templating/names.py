"""A name in a tag, which knows where it stands and what it means."""

from __future__ import annotations


class Name(str):  # noqa: SLOT000  a dictionary costs nothing that matters here
    """A name in a tag, and where it stands.

    `parts` are what the dots part, none for `.` itself. In what came from Handlebars,
    `up` counts the `../` before them, `is_root` tells of `@root`, and `block` is the
    `if`, `each` or `with` of a section.
    """

    template: str
    line: int
    parts: tuple[str, ...]
    up: int
    is_root: bool
    is_reserved: bool
    block: str
