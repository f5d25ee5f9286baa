"""Finding the tags of a Mustache text, in one pass.

pystache's parser asks a regular expression for the next tag. That one takes quadratic
time, and worse, over blanks and over braces that are never closed (0.6.8: 20 s for
20 kB of braces, 25 s for a tag of 500 blanks), and it takes whatever stands between
braces for a name. So the parser is given this instead, which also knows where a tag
stands.

See: mustache(5), and the specification at github.com/mustache/spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigError, LimitError
from .names import Name
from .template import NAMES_ARE_MADE_OF, is_name

DEEPEST_SECTION = 64
CONTENT = "@content"
"""The reserved variable that is the text of the template whose parent this is."""
BRACE = "@brace"
"""The reserved variable that is an opening brace, in what came from Handlebars."""

_RESERVED = (CONTENT, BRACE)
_SHOWN_CHARACTERS = 40
_IMPORT = "Handlebars is brought in with 'llmwrap template import'"


class Tag(NamedTuple):
    """A tag as a parser wants it: what kind, which name, between which characters.

    `kind` is one of `# ^ / > & ! =` or empty. `begin` is where the blanks before the
    tag begin.
    """

    kind: str
    name: Name
    begin: int
    after: int
    blanks: str

    def start(self) -> int:
        """Return where the tag and the blanks before it begin."""
        return self.begin

    def end(self) -> int:
        """Return the character behind the tag."""
        return self.after

    def groupdict(self) -> dict[str, str | None]:
        """Return what pystache's expression has as groups."""
        found: dict[str, str | None] = {"change": None, "raw": None}
        found |= {"whitespace": self.blanks, "tag": self.kind, "tag_key": self.name}
        if self.kind == "=":
            found |= {"change": "=", "delims": self.name}
        return found


class Source:
    """The text of one template: where its lines are, which tags it has.

    `first_line` is the number of the text's first line in its file. Belongs to one
    parser.
    """

    def __init__(
        self, template: str, text: str, *, first_line: int, is_handlebars: bool
    ) -> None:
        self.template = template
        self.text = text
        self.is_handlebars = is_handlebars
        self.tags: list[Tag] = []
        self._line = first_line
        self._counted = 0
        self._open: list[Name] = []

    def name(self, text: str, at: int) -> Name:
        """Return a name that stands at a character, none before the last one."""
        self._line += self.text.count("\n", self._counted, at)
        self._counted = at
        name = Name(text)
        name.template, name.line = self.template, self._line
        name.parts, name.up, name.block = (), 0, ""
        name.is_root = name.is_reserved = False
        return name

    def take(self, tag: Tag) -> Tag:
        """Check a tag and keep it. Raises: ConfigError, LimitError."""
        if tag.kind in ("!", "="):
            return tag
        if tag.kind == ">":
            self._check_partial(tag.name)
        else:
            self._read(tag.name)
        if tag.kind in ("#", "^"):
            self._open.append(tag.name)
            if len(self._open) > DEEPEST_SECTION:
                what = f"sections nest deeper than {DEEPEST_SECTION}"
                raise LimitError(f"{self._where(tag.name)}: {what}")
        elif tag.kind == "/":
            self._close(tag.name)
        self.tags.append(tag)
        return tag

    def finish(self) -> None:
        """Check that every section was closed. Raises: ConfigError."""
        if self._open:
            name = self._open[-1]
            raise ConfigError(
                f"{self._where(name)}: section '{name}' is never closed",
                hint=f"{{{{/{name}}}}} closes it",
            )

    def broken(self, at: int, problem: str, hint: str = "") -> ConfigError:
        """Return the error about something at a character."""
        return ConfigError(f"{self._where(self.name('', at))}: {problem}", hint=hint)

    def _where(self, name: Name) -> str:
        return f"template '{self.template}', line {name.line}"

    def _check_partial(self, name: Name) -> None:
        if not is_name(name):
            raise ConfigError(
                f"{self._where(name)}: '{_short(name)}' is no name of a template",
                hint=NAMES_ARE_MADE_OF,
            )

    def _read(self, name: Name) -> None:
        if name in _RESERVED:
            name.parts = (str(name),)
            name.is_root = name.is_reserved = True
            return
        if self.is_handlebars:
            from .handlebars_names import read_name  # late: most texts have none

            is_right = read_name(name)
        else:
            name.parts = () if name == "." else tuple(name.split("."))
            is_right = all(name.parts) and _is_word(name)
        if not is_right:
            raise ConfigError(
                f"{self._where(name)}: '{_short(name)}' is no name", hint=_IMPORT
            )

    def _close(self, name: Name) -> None:
        if not self._open:
            is_block = any(tag.name in (f"${name}", f"<{name}") for tag in self.tags)
            raise ConfigError(
                f"{self._where(name)}: '{name}' is closed and was never opened",
                hint=_NO_BLOCKS if is_block else "",
            )
        opened = self._open.pop()
        if opened != name:
            raise ConfigError(
                f"{self._where(name)}: '{name}' is closed where '{opened}', opened in"
                f" line {opened.line}, should be"
            )


def _is_word(text: str) -> bool:
    return text.split() == [text] and not any(char in text for char in "{}@~")


_NO_BLOCKS = (
    "templates inherit no blocks ({{$ }}, {{< }}); {{> NAME}} includes another one"
)


class TagFinder:
    """What stands for pystache's regular expression while delimiters are the same."""

    def __init__(self, opening: str, closing: str, source: Source) -> None:
        self._opening = opening
        self._closing = closing
        self._source = source

    def search(self, text: str, start: int) -> Tag | None:
        """Return the next tag at or behind a character. Raises: as Source.take."""
        at = text.find(self._opening, start)
        if at < 0:
            return None
        begin = at
        while begin > start and text[begin - 1] in " \t":
            begin -= 1
        inside = at + len(self._opening)
        while text[inside : inside + 1].isspace():
            inside += 1
        kind = text[inside : inside + 1]
        kind = kind if kind and kind in "#^/>&!={" else ""
        closing = {"=": "=", "{": "}"}.get(kind, "") + self._closing
        inside += len(kind)
        end = text.find(closing, inside)
        if end < 0:
            hint = f"'{closing}' is missing"
            raise self._source.broken(at, "a tag is never closed", hint)
        name = self._source.name(text[inside:end].strip(), at)
        if kind == "=" and not _are_delimiters(name):
            raise self._source.broken(at, f"'{_short(name)}' are no two delimiters")
        kind = "&" if kind == "{" else kind
        found = Tag(kind, name, begin, end + len(closing), text[begin:at])
        return self._source.take(found)


def _are_delimiters(text: str) -> bool:
    parts = text.split()
    return len(parts) == 2 and "=" not in text


def _short(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > _SHOWN_CHARACTERS:
        return line[:_SHOWN_CHARACTERS] + "…"
    return line


class Use(NamedTuple):
    """A variable that a text names: in which line, and whether it has to be given.

    It need not when it is only asked about (a section of its name), when it stands
    where an item may bring it along, and never in what came from Handlebars.
    """

    line: int
    is_needed: bool = False


def names_used(source: Source) -> Mapping[str, Use]:
    """Return the variables that a text names."""
    found: dict[str, Use] = {}
    inside: list[Name] = []
    for tag in source.tags:
        name = tag.name
        if tag.kind == "/":
            inside.pop()
        elif tag.kind != ">" and name.parts and not name.is_reserved:
            if not source.is_handlebars:
                is_needed = tag.kind in ("", "&") and not inside
                before = found.get(name.parts[0], Use(name.line))
                if is_needed and not before.is_needed:
                    before = Use(name.line, is_needed=True)
                found[name.parts[0]] = before
            elif _may_be_of_data(name, inside):
                found.setdefault(name.parts[0], Use(name.line))
        if tag.kind in ("#", "^"):
            inside.append(name)
    return found


def _may_be_of_data(name: Name, inside: list[Name]) -> bool:
    """Tell whether a Handlebars name can mean a variable, not a part of an item."""
    certain = sum(one.block in ("each", "with") for one in inside)
    possible = certain + sum(not one.block for one in inside)
    return name.is_root or certain <= name.up <= possible
