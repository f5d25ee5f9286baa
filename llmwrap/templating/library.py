"""The library of templates: the project's, the user's, the built-in ones.

The first place that has a name wins. Not for what a command line says: see
prompting/templates.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ..config.complaints import nearest
from ..errors import ConfigError, LimitError, UsageError
from ..messages import Json
from . import stored as files
from .frontmatter import read_template, take_apart
from .parsed import ParsedTexts
from .prepared import Prepared
from .renderer import DEEPEST_PARTIAL, Parsed
from .stored import MUSTACHE, Stored, TemplateDirectory
from .template import Template, checked_name

BUILT_IN = "built-in"
INLINE = "TEXT"
"""What errors call a template that has no file."""


class Library:
    """Templates by name, each read and parsed once.

    `places` come in their order; what is written goes to `writable`. With
    `auto_reload` a template is read again when its file changed. Any thread may
    render; of two threads that read a template at once, both get one that is whole.
    """

    def __init__(
        self,
        places: Sequence[TemplateDirectory],
        *,
        writable: TemplateDirectory | None = None,
        auto_reload: bool = True,
    ) -> None:
        self.places = tuple(places)
        self._writable = writable or self.places[0]
        self._auto_reload = auto_reload
        self._stored: dict[str, Stored] = {}
        self._parsed = ParsedTexts()
        self._prepared: dict[str, tuple[Prepared, dict[str, Stored | None]]] = {}

    # Reading

    def names(self) -> list[str]:
        """Return every name, sorted. Raises: ConfigError."""
        return sorted({name for place in self.places for name in files.names_in(place)})

    def get(self, name: str) -> Stored:
        """Return the template of a name. Raises: ConfigError, LimitError."""
        found = self._look_up(checked_name(name))
        if found is None:
            raise self._unknown(name)
        return found

    def text(self, name: str) -> str:
        """Return the file of a template, valid or not, as Mustache.

        Raises: ConfigError, LimitError.
        """
        found = files.find(self.places, checked_name(name))
        if found is None or found[1].endswith(files.HANDLEBARS):
            return self.get(name).text
        return files.raw_text(*found)

    def prepared(self, name: str) -> Prepared:
        """Return a template ready to be rendered. Raises: ConfigError, LimitError."""
        kept = self._prepared.get(name)
        if kept is not None and (not self._auto_reload or self._is_fresh(kept[1])):
            return kept[0]
        seen: dict[str, Stored | None] = {}
        prepared = self._prepare(self.get(name), seen)
        self._prepared[name] = prepared, seen
        return prepared

    def inline(self, text: str) -> Prepared:
        """Return a text as a template of its own. Raises: ConfigError, LimitError."""
        template = Template(INLINE, text)
        return self._prepare(Stored(template, "", "", text, 1, (0, 0, 0)), {})

    def render(
        self, name: str, variables: dict[str, Json], *, is_lax: bool = False
    ) -> str:
        """Return the text a template makes. Raises: as Prepared.render."""
        return self.prepared(name).render(variables, is_lax=is_lax)

    def validate(self, name: str) -> Prepared:
        """Check a template, its parents and its partials. Raises: ConfigError."""
        return self._checked(self.get(name))

    # Writing

    def create(
        self,
        name: str,
        text: str,
        *,
        is_handlebars: bool = False,
        is_replaced: bool = False,
    ) -> str:
        """Keep the text of a file as a template and return its path.

        Handlebars is brought in; its blocks tell it, where `is_handlebars` does not.
        Nothing is written unless it is valid. Raises: UsageError for one that
        exists, ConfigError, LimitError, OutputError.
        """
        from ..files import write_whole  # late, as all that only writing needs

        path = self.path_for(name)
        self.check_absent(name, is_replaced=is_replaced)
        if is_handlebars or _is_handlebars(text):
            from .handlebars import brought_in  # late: most never need it

            text = brought_in(name, text, name)
        self.check_text(name, text)
        write_whole(path, text.encode(), is_replaced=is_replaced)
        self._forget(name)
        return path

    def save(self, template: Template) -> str:
        """Keep a template, in place of one of its name, and return its path.

        Raises: ConfigError, LimitError, OutputError.
        """
        from .writing import written  # late, as above

        if template.created_at is None:
            template = template._replace(created_at=time.time())
        if not template.is_handlebars and _is_handlebars(template.content):
            from .handlebars import to_mustache  # late: most never need it

            content = to_mustache(template.name, template.content)
            template = template._replace(content=content, is_handlebars=True)
        return self.create(template.name, written(template), is_replaced=True)

    def delete(self, name: str) -> str:
        """Remove a template and return the path it had.

        Raises: UsageError for a built-in one, ConfigError, OutputError.
        """
        found = files.find(self.places, checked_name(name))
        if found is None:
            raise self._unknown(name)
        place, path = found
        if place.label == BUILT_IN:
            raise UsageError(
                f"template '{name}' is built in and cannot be deleted",
                hint="a template of your own of this name takes its place",
            )
        files.remove(path)
        self._forget(name)
        return path

    def path_for(self, name: str) -> str:
        """Return where a template of that name is written. Raises: ConfigError."""
        return os.path.join(self._writable.directory, checked_name(name) + MUSTACHE)

    def check_absent(self, name: str, *, is_replaced: bool) -> None:
        """Check that writing a template hides none. Raises: UsageError."""
        found = files.find((self._writable,), checked_name(name))
        if found is not None and not is_replaced:
            raise UsageError(f"'{found[1]}' exists already", hint="--force replaces it")

    def check_text(self, name: str, text: str) -> Prepared:
        """Check what would be a template's file. Raises: ConfigError, LimitError."""
        place, path = self._writable, self.path_for(name)
        files.text_of(text.encode("utf-8", "replace"), path)
        parts = take_apart(text, path)
        template = read_template(name, parts, path)
        return self._checked(
            Stored(template, place.label, path, text, parts.first_line, (0, 0, 0))
        )

    # Inside

    def _unknown(self, name: str) -> ConfigError:
        best = nearest(name, self.names())
        hint = f"did you mean '{best}'?" if best else "run 'llmwrap template list'"
        return ConfigError(f"there is no template '{name}'", hint=hint)

    def _look_up(self, name: str) -> Stored | None:
        kept = self._stored.get(name)
        if kept is not None and not self._auto_reload:
            return kept
        found = files.find(self.places, name)
        if found is None:
            self._stored.pop(name, None)
            return None
        place, path = found
        if kept is None or kept.path != path or kept.mark != files.mark_of(place, path):
            kept = self._stored[name] = files.read(place, path)
        return kept

    def _is_fresh(self, seen: dict[str, Stored | None]) -> bool:
        return all(self._look_up(name) is stored for name, stored in seen.items())

    def _forget(self, name: str) -> None:
        self._stored.pop(name, None)
        self._prepared.clear()

    def _checked(self, stored: Stored) -> Prepared:
        """Return a template prepared, with no partial missing."""
        seen: dict[str, Stored | None] = {}
        prepared = self._prepare(stored, seen)
        for name, found in seen.items():
            if found is None:
                raise ConfigError(
                    f"template '{stored.template.name}' includes '{name}', and there"
                    " is no such template"
                )
        return prepared

    def _prepare(self, stored: Stored, seen: dict[str, Stored | None]) -> Prepared:
        """Return a template prepared; `seen` gets what it is made of."""
        layers = [(stored.template, self._parsed.of(stored))]
        seen[stored.template.name] = stored
        while (parent := layers[-1][0].parent_template) is not None:
            if len(layers) > DEEPEST_PARTIAL:
                raise LimitError(
                    f"template '{stored.template.name}' has more than"
                    f" {DEEPEST_PARTIAL} parents"
                )
            found = self._look_up(parent)
            if found is None:
                raise ConfigError(
                    f"template '{layers[-1][0].name}': there is no parent template"
                    f" '{parent}'"
                )
            seen[parent] = found
            layers.append((found.template, self._parsed.of(found)))
        included = self._included([parsed for _, parsed in layers], seen)
        return Prepared(layers, included, self._load)

    def _included(
        self, parsed: list[Parsed], seen: dict[str, Stored | None]
    ) -> list[tuple[Template, Parsed]]:
        found = []
        waiting = list(parsed)
        asked: set[str] = set()
        while waiting:
            for name in waiting.pop().partials:
                if name in asked:
                    continue
                asked.add(name)
                # One that includes itself may not be written yet.
                stored = seen[name] if name in seen else self._look_up(name)
                seen[name] = stored
                if stored is not None:
                    found.append((stored.template, self._parsed.of(stored)))
                    waiting.append(found[-1][1])
        return found

    def _load(self, name: str, indent: str) -> Parsed | None:
        """Return a partial while something is rendered."""
        stored = self._stored.get(name) or self._look_up(name)
        return None if stored is None else self._parsed.of(stored, indent)


def _is_handlebars(text: str) -> bool:
    """Tell whether a text without a head can only be Handlebars."""
    if text.lstrip("\ufeff").startswith("+++"):
        return False
    from .handlebars import has_blocks  # late: only where templates are written

    return has_blocks(text)
