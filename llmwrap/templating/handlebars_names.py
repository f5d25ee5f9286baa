"""Names in Mustache that came from Handlebars. See handlebars.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .names import Name

_NAME = re.compile(
    r"(?:(?P<block>if|each|with):)?"
    r"(?:(?P<up>(?:\.\./)*(?:\.\.)?)|(?P<root>@root\.?))"
    r"(?P<rest>(?:[^\s{}@./]+(?:\.[^\s{}@./]+)*)?|\.)"
)


def read_name(name: Name) -> bool:
    """Fill in what a name means; return whether it is one."""
    found = _NAME.fullmatch(name)
    if found is None or not name:
        return False
    rest = found["rest"].strip(".")
    name.parts = tuple(rest.split(".")) if rest else ()
    name.up = (found["up"] or "").count("..")
    name.is_root = found["root"] is not None
    name.block = found["block"] or ""
    return True
