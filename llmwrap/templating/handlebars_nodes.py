"""Blocks of Handlebars, and where its names are looked up.

See handlebars.py; the rules are those of its lib/handlebars/runtime.js and helpers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import Json
from .contexts import MISSING, Contexts, Missing
from .javascript import is_empty, is_same, is_true, items_of, part_of
from .names import Name

if TYPE_CHECKING:
    from .nodes import Node, Rendering


class HandlebarsContexts(Contexts):
    """The values as Handlebars has them: a name means something in the innermost.

    `@root` is the data. In a partial it is not what `../` means, as a partial begins
    anew.
    """

    is_handlebars = True

    def __init__(self, *values: Json | Missing, is_partial: bool = False) -> None:
        super().__init__(*values)
        self.is_partial = is_partial

    def get(self, name: Name) -> Json | Missing:
        """Return the value of a name, MISSING when there is none."""
        if name.is_root:
            value = self.values[0 if name.is_reserved else 1]
        elif name.up < len(self.values) - 1 - self.is_partial:
            value = self.values[-1 - name.up]
        else:
            return MISSING
        for part in name.parts:
            value = part_of(value, part)
        return value

    def with_innermost(self, value: Json | Missing) -> HandlebarsContexts:
        """Return the same values but for the innermost."""
        return HandlebarsContexts(*self.values[:-1], value, is_partial=self.is_partial)


class HandlebarsSection:
    """A block of Handlebars: `{{#if:name}}`, or `{{^each:name}}` for its else.

    `if` leaves the context as it is, `with` changes it, `each` changes it for each
    item; a block without such a word does what its value asks for.
    """

    def __init__(self, name: Name, body: Node, *, is_inverted: bool) -> None:
        self._name = name
        self._body = body
        self._is_inverted = is_inverted

    def render(self, engine: Rendering, contexts: Contexts) -> str:
        """Return the text for the context as it is, or for each new one."""
        if not isinstance(contexts, HandlebarsContexts):
            raise TypeError(contexts)  # only such a template has such sections
        values = self._values(contexts)
        is_entered = values is None or bool(values)
        if self._is_inverted or values is None:
            if self._is_inverted == is_entered:
                return ""
            if contexts.values[-1] is None and self._name.block:
                contexts = contexts.with_innermost({})  # what helpers get for null
            return self._body.render(engine, contexts)
        engine.count_items(len(values), self._name)
        return "".join([self._within(engine, contexts, value) for value in values])

    def _values(self, contexts: HandlebarsContexts) -> list[Json | Missing] | None:
        """Return the contexts that are opened; None keeps the one there is."""
        value = contexts.get(self._name)
        match self._name.block:
            case "if":
                return None if is_true(value) else []
            case "each":
                return [*items_of(value)]
            case "with":
                return [] if is_empty(value) else [value]
        if value is True:
            return None
        if value is False or value is None or value is MISSING:
            return []
        return [*value] if isinstance(value, list) else [value]

    def _within(
        self, engine: Rendering, contexts: HandlebarsContexts, value: Json | Missing
    ) -> str:
        if is_same(value, contexts.values[-1]):
            # Handlebars tells contexts apart by ==, and "../" counts no such step.
            return self._body.render(engine, contexts.with_innermost(value))
        contexts.values.append(value)
        text = self._body.render(engine, contexts)
        contexts.values.pop()
        return text


def for_partial(contexts: Contexts) -> HandlebarsContexts:
    """Return what a partial that came from Handlebars looks its names up in."""
    reserved, data, *_ = contexts.values
    return HandlebarsContexts(reserved, data, contexts.values[-1], is_partial=True)
