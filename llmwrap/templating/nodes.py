"""What a parsed template is made of beside text and variables.

Nodes as pystache's ParsedTemplate takes them: something with `render(engine,
contexts)`. Its own section calls what is callable and looks at nothing before it is
made; its own partial is parsed at each use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contexts import Contexts
from .names import Name

if TYPE_CHECKING:
    from typing import Protocol

    class Rendering(Protocol):
        """What nodes ask of the rendering under way (`renderer.py`)."""

        def count_items(self, count: int, name: Name) -> None:
            """Count items before they are gone through. Raises: LimitError."""

        def partial(self, name: Name, indent: str, contexts: Contexts) -> str:
            """Return the text of a partial. Raises: ConfigError, LimitError."""

        def indented(self, text: str, indent: str) -> str:
            """Return a text with all its lines indented. Raises: LimitError."""

    class Node(Protocol):
        """A part of a parsed template."""

        def render(self, engine: Rendering, contexts: Contexts) -> str:
            """Return the text. Raises: ConfigError, LimitError."""


class Section:
    """What is between `{{#name}}` and its end: once, or for each item of a list."""

    def __init__(self, name: Name, body: Node) -> None:
        self._name = name
        self._body = body

    def render(self, engine: Rendering, contexts: Contexts) -> str:
        """Return the text for each item."""
        value = contexts.get(self._name)
        if not value:
            return ""
        items = value if isinstance(value, list) else (value,)
        engine.count_items(len(items), self._name)
        opened, render = contexts.values, self._body.render
        parts = []
        for item in items:
            opened.append(item)
            parts.append(render(engine, contexts))
            opened.pop()
        return "".join(parts)


class Inverted:
    """What is between `{{^name}}` and its end."""

    def __init__(self, name: Name, body: Node) -> None:
        self._name = name
        self._body = body

    def render(self, engine: Rendering, contexts: Contexts) -> str:
        """Return the text where there is nothing of that name."""
        has_value = contexts.get(self._name)
        return "" if has_value else self._body.render(engine, contexts)


class Partial:
    """`{{> name}}`: another template in its place, its lines indented."""

    def __init__(self, name: Name, indent: str) -> None:
        self._name = name
        self._indent = indent

    def render(self, engine: Rendering, contexts: Contexts) -> str:
        """Return the text of the partial."""
        if not contexts.is_handlebars:
            return engine.partial(self._name, self._indent, contexts)
        # Mustache indents what a partial says, Handlebars what comes of it.
        text = engine.partial(self._name, "", contexts)
        return engine.indented(text, self._indent)
