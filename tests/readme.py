"""Read the blocks of code out of the README and its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .runner import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A block of code: its language, its text, and the heading it stands under."""

    language: str
    text: str
    heading: str


BACKENDS = (ROOT / "docs" / "BACKENDS.md").read_text(encoding="utf-8")


def blocks(*languages: str, text: str = README) -> Iterator[Block]:
    """Yield the blocks of these languages in their order."""
    heading = ""
    # A longer fence holds lines that are fences.
    pattern = r"^#+ ([^\n]*)$|^(`{3,})(\w+)\n(.*?)^\2$"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        heading = found[1] or heading
        if found[3] in languages:
            yield Block(found[3], found[4], heading)
