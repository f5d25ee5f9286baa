"""Rendering Mustache through pystache: the one door to it.

What is done around pystache 0.6.8, each for its reason:

- its parser gets its tags from `tags.py`: linear time, lines, names that are names;
- nothing is escaped (a prompt is no web page), null is nothing and not "None";
- it takes attributes of objects and calls what is callable: `contexts.py` looks into
  dictionaries only, and data is plain JSON;
- it ignores what is missing: here that is an error with template, line and name;
- it reads partials from wherever their names lead and parses them at each use: here
  they are handed in, parsed;
- nothing bounds it: here depth, items, size and time have bounds.

Not for files, and not for what a template says of its variables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pystache.parsed import (  # type: ignore[import-untyped]  # it has no types
    ParsedTemplate,
)
from pystache.parser import (  # type: ignore[import-untyped]  # the same
    _Parser as PystacheParser,
)
from pystache.renderengine import (  # type: ignore[import-untyped]  # the same
    RenderEngine,
)

from ..errors import ConfigError, LimitError
from ..messages import Json
from ..units import format_duration, format_size
from .contexts import Contexts, Missing
from .names import Name
from .nodes import Inverted, Partial, Section
from .tags import BRACE, CONTENT, Source, TagFinder, Use, names_used

if TYPE_CHECKING:
    from .nodes import Node

DEEPEST_PARTIAL = 16
MOST_ITEMS = 100_000
LONGEST_S = 2.0
LARGEST_BYTES = 4 << 20


class Parsed(NamedTuple):
    """A text that was parsed; any thread may render it.

    `names` are its variables, `partials` the names of the templates it includes.
    `has_content` tells whether it has a place for the text of a template whose parent
    it is.
    """

    template: str
    body: Node
    names: Mapping[str, Use]
    partials: Sequence[str]
    has_content: bool
    is_handlebars: bool


Load = Callable[[str, str], Parsed | None]
"""Returns a partial by its name, each of its lines indented; None: there is none."""


def parse(
    template: str, text: str, *, first_line: int = 1, is_handlebars: bool = False
) -> Parsed:
    """Return a Mustache text, parsed; `template` is its name, for messages.

    `first_line` is the number of its first line in its file. Raises: ConfigError,
    LimitError.
    """
    source = Source(template, text, first_line=first_line, is_handlebars=is_handlebars)
    body = _CountedText(_Parser(source).parse(text))
    source.finish()
    partials = dict.fromkeys(str(tag.name) for tag in source.tags if tag.kind == ">")
    has_content = any(tag.name == CONTENT for tag in source.tags)
    names = names_used(source)
    return Parsed(template, body, names, [*partials], has_content, is_handlebars)


def indented(text: str, indent: str) -> str:
    """Return a text with its lines indented, empty ones excepted.

    Raises: LimitError.
    """
    if not indent:
        return text
    if len(text) + len(indent) * text.count("\n") > LARGEST_BYTES:
        raise LimitError(f"an indented partial is longer than {_LARGEST}")
    lines = text.split("\n")
    return "\n".join([f"{indent}{line}" if line else line for line in lines])


_LARGEST = format_size(LARGEST_BYTES)


def render(
    parsed: Parsed,
    data: dict[str, Json],
    load: Load,
    *,
    content: str = "",
    known: Sequence[str] = (),
    is_lax: bool = False,
) -> str:
    """Return the text that a template makes of plain data.

    `load` finds partials; `content` is the text of the template whose parent this is;
    `known` are the variables an error names; `is_lax` takes what is missing for
    empty. Raises: ConfigError, LimitError.
    """
    reserved: dict[str, Json] = {CONTENT: content, BRACE: "{"}
    engine = _Engine(parsed.template, load, known, is_lax=is_lax)
    contexts = Contexts(reserved)
    if parsed.is_handlebars:
        from .handlebars_nodes import HandlebarsContexts  # late: most are Mustache

        contexts = HandlebarsContexts(reserved)
    contexts.values.append(data)
    try:
        text = parsed.body.render(engine, contexts)
    except RecursionError:
        raise engine.limit("nests too deeply") from None
    if not text.isascii():
        engine.count(len(text.encode("utf-8", "replace")) - len(text))
    return text


class _Parser(PystacheParser):  # type: ignore[misc]  # pystache is not typed
    """pystache's parser with our tags and, where they differ, our nodes."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def _compile_delimiters(self) -> None:
        opening, closing = self._delimiters
        self._template_re = TagFinder(opening, closing, self._source)

    def _make_interpolation_node(
        self, tag_type: str, tag_key: Name, leading_whitespace: str
    ) -> object:
        if tag_type == ">":
            return Partial(tag_key, leading_whitespace)
        node: object = super()._make_interpolation_node(
            tag_type, tag_key, leading_whitespace
        )
        return node

    def _make_section_node(
        self, template: str, tag_type: str, tag_key: Name, *rest: object
    ) -> object:
        body = _CountedText(rest[0])
        if self._source.is_handlebars:
            from .handlebars_nodes import HandlebarsSection  # late, as above

            return HandlebarsSection(tag_key, body, is_inverted=tag_type == "^")
        return (Section if tag_type == "#" else Inverted)(tag_key, body)


class _CountedText(ParsedTemplate):  # type: ignore[misc]  # pystache is not typed
    """A parsed text that counts what it makes."""

    def __init__(self, parsed: ParsedTemplate) -> None:
        self._parse_tree = parsed._parse_tree  # noqa: SLF001  no other way to it
        self._characters = sum(len(n) for n in self._parse_tree if type(n) is str)

    def render(self, engine: _Engine, contexts: Contexts) -> str:
        """Return the text."""
        engine.count(self._characters)
        engine.check_time()
        parts = [
            node if type(node) is str else node.render(engine, contexts)
            for node in self._parse_tree
        ]
        return "".join(parts)


class _Engine(RenderEngine):  # type: ignore[misc]  # pystache is not typed
    """What one rendering knows: where partials are, what is left of each bound."""

    def __init__(
        self, template: str, load: Load, known: Sequence[str], *, is_lax: bool
    ) -> None:
        super().__init__(literal=_unchanged, escape=_unchanged)
        self._template = template
        self._load = load
        self._known = known
        self._is_lax = is_lax
        self._depth = 0
        self._items_left = MOST_ITEMS
        self._characters_left = LARGEST_BYTES
        self._until = time.monotonic() + LONGEST_S

    def fetch_string(self, context: Contexts, name: Name) -> str:
        """Return what a variable is printed as. Raises: ConfigError, LimitError."""
        value = context.get(name)
        if type(value) is not str:
            value = self._printed(value, name, context)
        self.count(len(value))
        return value

    def partial(self, name: Name, indent: str, contexts: Contexts) -> str:
        """Return the text of a partial. Raises: ConfigError, LimitError."""
        parsed = self._load(str(name), indent)
        if parsed is None:
            if self._is_lax:
                return ""
            raise ConfigError(f"{_where(name)}: there is no template '{name}'")
        self._depth += 1
        if self._depth > DEEPEST_PARTIAL:
            raise self.limit(f"nests partials deeper than {DEEPEST_PARTIAL}")
        text = parsed.body.render(self, _for_partial(parsed, contexts))
        self._depth -= 1
        return text

    def indented(self, text: str, indent: str) -> str:
        """Return a text with all its lines indented. Raises: LimitError."""
        if not indent or not text:
            return text
        self.count(len(indent) * (text.count("\n") + 1))
        lines = text.split("\n")
        last = lines.pop()
        shown = "".join(f"{indent}{line}\n" for line in lines)
        return f"{shown}{indent}{last}" if last else shown

    def count(self, size: int) -> None:
        """Count characters before they are made. Raises: LimitError."""
        self._characters_left -= size
        if self._characters_left < 0:
            raise self.limit(f"makes a text longer than {_LARGEST}")

    def count_items(self, count: int, name: Name) -> None:
        """Count items before they are gone through. Raises: LimitError."""
        self._items_left -= count
        if self._items_left < 0:
            raise self.limit(f"goes through more than {MOST_ITEMS} items in '{name}'")

    def check_time(self) -> None:
        """See whether it takes too long. Raises: LimitError."""
        if time.monotonic() > self._until:
            raise self.limit(f"takes longer than {format_duration(LONGEST_S)}")

    def limit(self, what: str) -> LimitError:
        """Return the error about a bound."""
        return LimitError(f"template '{self._template}' {what}")

    def _printed(self, value: Json | Missing, name: Name, contexts: Contexts) -> str:
        if contexts.is_handlebars:
            from .javascript import text_of  # late, as above

            return text_of(value)
        if isinstance(value, Missing):
            if self._is_lax:
                return ""
            raise self._missing(name)
        if value is None:
            return ""
        try:
            if not isinstance(value, list | dict | bool):
                return str(value)
            import json

            return json.dumps(value, ensure_ascii=False)
        except ValueError:  # Python prints no number of more than 4300 digits
            what = f"the number in '{name}' is too long"
            raise LimitError(f"{_where(name)}: {what}") from None

    def _missing(self, name: Name) -> ConfigError:
        known = f"known are {', '.join(self._known)}" if self._known else ""
        return ConfigError(f"{_where(name)}: missing variable '{name}'", hint=known)


def _for_partial(parsed: Parsed, contexts: Contexts) -> Contexts:
    """Return what a partial looks its names up in: each language its own way."""
    if parsed.is_handlebars:
        from .handlebars_nodes import for_partial  # late, as above

        return for_partial(contexts)
    return Contexts(*contexts.values) if contexts.is_handlebars else contexts


def _where(name: Name) -> str:
    return f"template '{name.template}', line {name.line}"


def _unchanged(text: str) -> str:
    return text
