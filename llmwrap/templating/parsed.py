"""Templates that were parsed, each kept while its file is the same."""

from __future__ import annotations

from .renderer import Parsed, indented, parse
from .stored import Stored

_MOST_CHARACTERS = 16 << 20


class ParsedTexts:
    """Parses a template once for each indent that a partial of it is wanted with.

    Partials within partials can ask for one text with many indents: beyond
    `most_characters` of text all that was kept is dropped. Any thread may call it; of
    two that parse a text at once, both get one that is whole.
    """

    def __init__(self, most_characters: int = _MOST_CHARACTERS) -> None:
        self._most = most_characters
        self._kept: dict[tuple[str, str], tuple[Stored, Parsed]] = {}
        self._characters = 0

    def of(self, stored: Stored, indent: str = "") -> Parsed:
        """Return a template parsed. Raises: ConfigError, LimitError."""
        template = stored.template
        kept = self._kept.get((template.name, indent))
        if kept is not None and kept[0] is stored:
            return kept[1]
        text = indented(template.content, indent)
        parsed = parse(
            template.name,
            text,
            first_line=stored.first_line,
            is_handlebars=template.is_handlebars,
        )
        self._characters += len(text)
        if self._characters > self._most:
            self._kept.clear()
            self._characters = len(text)
        self._kept[template.name, indent] = stored, parsed
        return parsed
