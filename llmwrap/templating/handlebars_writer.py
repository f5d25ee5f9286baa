"""A Handlebars tree as Mustache.

The blanks are stripped already, so no line may be lost on the way: a tag at the
beginning of a line gets a line of its own, which Mustache takes away again, and one
that only blanks stand before gets an empty comment in front, which keeps the line.
See handlebars.py.
"""

from __future__ import annotations

import re

from .handlebars_tags import Path
from .handlebars_tree import (
    BlockStatement,
    Comment,
    ContentStatement,
    Include,
    Program,
    Value,
)
from .tags import BRACE

# Braces that would become part of a tag: two of them, or one before a tag.
_BRACES = re.compile(r"\{(?=\{)|\{\Z")
_GUARD = "{{!}}"
_WORD = "x"


def mustache(program: Program) -> str:
    """Return the Mustache text of a tree."""
    writer = _MustacheWriter()
    writer.program(program)
    return writer.finished()


class _MustacheWriter:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._text = ""
        self._line = ""
        """What stands before the next character on its line."""

    def finished(self) -> str:
        """Return all that was written."""
        self._flush()
        return "".join(self._parts)

    def program(self, program: Program | None) -> None:
        """Write the statements between two tags."""
        for statement in program.body if program else []:
            match statement:
                case ContentStatement():
                    self._text += statement.value
                case Comment():
                    words = statement.text.replace("}}", "} }").strip()
                    self._tag(f"{{{{! {words} }}}}")
                case Value():
                    self._flush()
                    self._add(f"{{{{{_name(statement.path)}}}}}")
                case Include():
                    self._include(statement)
                case BlockStatement():
                    self._block(statement)

    def _block(self, block: BlockStatement) -> None:
        is_negated = block.helper == "unless"
        helper = "if" if is_negated else block.helper
        name = _name(block.path)
        name = f"{helper}:{name}" if helper else name
        for half, is_inverse in ((block.program, False), (block.inverse, True)):
            if half is None:
                continue
            self._tag(f"{{{{{'^' if is_inverse != is_negated else '#'}{name}}}}}")
            self.program(half)
            self._tag(f"{{{{/{name}}}}}")

    def _include(self, include: Include) -> None:
        self._flush()
        tag = f"{{{{> {include.name}}}}}"
        if include.indent and not self._line:
            self._parts.append(f"{include.indent}{tag}\n")
        else:
            self._tag(tag)

    def _tag(self, tag: str) -> None:
        """Write a tag that Mustache may take for one alone on its line."""
        self._flush()
        if not self._line:
            self._parts.append(f"{tag}\n")
        elif self._line.isspace():
            self._add(_GUARD + tag)
        else:
            self._add(tag)

    def _flush(self) -> None:
        text = _BRACES.sub(f"{{{{{BRACE}}}}}", self._text)
        self._text = ""
        if text:
            self._add(text)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        end = max(text.rfind("\n"), text.rfind("\r"))
        line = self._line + text if end < 0 else text[end + 1 :]
        # Of a line that has more than blanks it matters only that it has.
        self._line = line if not line or line.isspace() else _WORD


def _name(path: Path) -> str:
    dots = ".".join(path.parts)
    if path.is_root:
        return f"@root.{dots}" if dots else "@root"
    up = "/".join([".."] * path.up)
    if up and dots:
        return f"{up}/{dots}"
    return up or dots or "."
