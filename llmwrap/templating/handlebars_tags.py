"""Handlebars text to its tags, with what has no equal refused.

Each refusal names the line, the construct, and a way out. See handlebars.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .template import NAMES_ARE_MADE_OF, is_name

HELPERS = ("if", "unless", "each", "with")
_SHOWN_CHARACTERS = 60
_OPENING = "{{"
_NEXT_OPENING = re.compile(r"\\{0,2}\{\{")
_ID = r"[^\s!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]+"
_SEGMENT = rf"(?:{_ID}|\.\.|\.|\[[^\]]*\])"
_PATH = re.compile(rf"@?{_SEGMENT}(?:[./]{_SEGMENT})*")
_SPLIT = re.compile(rf"({_SEGMENT})(?:[./]|\Z)")
_PART = re.compile(r"[^\s{}@./]+")
_LITERAL = re.compile(
    r"true|false|null|undefined|-?\d+(?:\.\d+)?|\".*\"|'.*'", re.DOTALL
)

_IN_DATA = "put what it makes into a variable"


class Strip(NamedTuple):
    """Whether blanks go before a tag (`{{~`) and behind it (`~}}`)."""

    is_open: bool
    is_close: bool


class Path(NamedTuple):
    """A name: how many contexts up, or from the root, and the parts from there."""

    up: int = 0
    is_root: bool = False
    parts: tuple[str, ...] = ()


class HandlebarsTag(NamedTuple):
    """A tag: `kind` is one of `# ^ / > ! else`, `else if`, or empty for a variable.

    `text` is the name of a partial, the words of a comment, or what a closing tag
    closes; `opened` what has to close this block.
    """

    kind: str
    line: int
    shown: str
    strip: Strip
    path: Path = Path()
    helper: str = ""
    text: str = ""
    opened: str = ""


class Refusal(NamedTuple):
    """What cannot be brought in: where, what, why, and what to do instead."""

    line: int
    shown: str
    problem: str
    way_out: str


Refuse = Callable[[Refusal], Exception]


def read_tags(
    text: str, first_line: int, refuse: Refuse
) -> Iterator[str | HandlebarsTag]:
    """Yield content and tags in their order. Raises: what `refuse` returns."""
    reader = _TagReader(refuse)
    at, line = 0, first_line
    while at < len(text):
        content, start = _content(text, at)
        if content:
            yield content
        line += text.count("\n", at, start)
        if start >= len(text):
            return
        at = _end(text, start)
        raw = text[start:at] if at > 0 else text[start:]
        if at < 0:
            raise refuse(Refusal(line, _short(raw), "is never closed", ""))
        yield reader.tag(raw, line)
        line += raw.count("\n")


def _content(text: str, at: int) -> tuple[str, int]:
    """Return the content from a character on, and where the next tag begins.

    A backslash before the braces makes content of them, and two of them one.
    """
    parts: list[str] = []
    while True:
        start = text.find(_OPENING, at)
        if start < 0:
            return "".join([*parts, text[at:]]), len(text)
        before = text[at:start]
        if before.endswith("\\\\"):
            return "".join([*parts, before[:-1]]), start
        if not before.endswith("\\"):
            return "".join([*parts, before]), start
        # Up to the next opening braces, escaped or not, the text is as it stands.
        parts.append(before[:-1])
        following = _NEXT_OPENING.search(text, start + 2)
        at = following.start() if following else len(text)
        parts.append(text[start:at])


def _end(text: str, start: int) -> int:
    """Return the character behind a tag, -1 when it has no end."""
    inside = start + 2
    if text.startswith("~", inside):
        inside += 1
    if text.startswith("!--", inside):
        found = re.compile(r"--~?\}\}").search(text, inside + 3)
        return found.end() if found else -1
    closing = "}}"
    if text.startswith("{", inside):
        found = re.compile(r"\}~?\}\}").search(text, inside)
        return found.end() if found else -1
    end = text.find(closing, inside)
    # Three braces end a tag that begins with three, and no other but a comment.
    is_comment = text.startswith("!", inside)
    is_triple = text.startswith("}", end + 2) and not is_comment
    return end + len(closing) + is_triple if end >= 0 else -1


class _TagReader:
    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self._line = 0
        self._shown = ""

    def tag(self, raw: str, line: int) -> HandlebarsTag:
        """Return the tag that `raw` is, braces included."""
        self._line, self._shown = line, _short(raw)
        strip = Strip(raw[2:3] == "~", raw[-3:-2] == "~")
        inner = raw[2:-2]
        inner = inner[1:] if strip.is_open else inner
        if inner.startswith("!"):
            return self._comment(inner, strip)
        inner = inner[:-1] if strip.is_close else inner
        if not inner.startswith("{") and "}" in inner:
            raise self._no("has a brace in it", "")
        if inner.startswith("{"):
            if inner.startswith("{{"):
                raise self._no("begins a raw block", "write \\{{ before each tag in it")
            return self._value(inner[1:-1].strip(), strip)
        return self._other(inner, strip)

    def _other(self, inner: str, strip: Strip) -> HandlebarsTag:
        kind, rest = inner[:1], inner[1:].strip()
        match kind:
            case "&":
                return self._value(rest, strip)
            case "*":
                raise self._no("is a decorator", "leave it out")
            case ">":
                return self._partial(rest, strip)
            case "/":
                return self._new("/", strip, text=_squeezed(rest))
            case "#" | "^":
                if kind == "^" and not rest:
                    return self._new("else", strip)
                return self._block(kind, rest, strip)
        words = inner.strip()
        if words == "else":
            return self._new("else", strip)
        if re.match(r"else\b", words):
            return self._block("else if", words[4:].strip(), strip)
        return self._value(words, strip)

    def _new(self, kind: str, strip: Strip, *, text: str = "") -> HandlebarsTag:
        return HandlebarsTag(kind, self._line, self._shown, strip, text=text)

    def _comment(self, inner: str, strip: Strip) -> HandlebarsTag:
        text = re.sub(r"^!-?-?", "", inner)
        text = re.sub(r"-?-?~?\Z", "", text)
        return self._new("!", strip, text=text)

    def _value(self, words: str, strip: Strip) -> HandlebarsTag:
        path = self._path(words)
        if words in (*HELPERS, "log", "lookup"):
            raise self._no(
                "calls a helper", f"{{{{./{words}}}}} is a variable of this name"
            )
        return self._new("", strip)._replace(path=path)

    def _partial(self, words: str, strip: Strip) -> HandlebarsTag:
        if words.startswith("("):
            raise self._no(
                "chooses its partial", "name it, once for each case in an {{#if}}"
            )
        name, *others = words.split()[:2] or [""]
        if others:
            raise self._no(
                "gives its partial something",
                "change the context around it with {{#with}}",
            )
        if not is_name(name):
            raise self._no("names no template", NAMES_ARE_MADE_OF)
        return self._new(">", strip, text=name)

    def _block(self, kind: str, words: str, strip: Strip) -> HandlebarsTag:
        if words.startswith((">", "*")):
            what = "is a partial with a block" if words[0] == ">" else "is a decorator"
            raise self._no(what, "make a template of its own of it")
        parts = words.split(None, 1)
        helper, argument = parts[0] if parts else "", parts[1] if parts[1:] else ""
        if helper not in HELPERS:
            if argument:
                self._check(argument)
                raise self._no("calls a helper", _IN_DATA)
            path = self._path(words)
            tag = self._new(kind, strip)
            return tag._replace(path=path, opened=_squeezed(words))
        if not argument:
            raise self._no(f"does not say {helper} what", f"{{{{#{helper} NAME}}}}")
        path = self._path(argument)
        tag = self._new(kind, strip)
        return tag._replace(path=path, helper=helper, opened=helper)

    def _path(self, words: str) -> Path:
        """Return the path that the words are. Raises: what `refuse` returns."""
        self._check(words)
        if _LITERAL.fullmatch(words):
            raise self._no("has a literal", "give it as a variable")
        if not _PATH.fullmatch(words):
            if len(words.split()) > 1:
                raise self._no("calls a helper", _IN_DATA)
            raise self._no("is no name", "names have no such characters")
        is_data = words.startswith("@")
        segments = _SPLIT.findall(words.removeprefix("@"))
        if is_data and segments[0] != "root":
            raise self._no(
                f"asks for '@{segments[0]}', which Mustache does not know",
                "put it into each item of the data",
            )
        up = 0
        parts: list[str] = []
        for segment in segments[1:] if is_data else segments:
            if segment in ("..", ".", "this"):
                if parts:
                    raise self._no("is no path", "'..' and 'this' come first")
                up += segment == ".."
                continue
            parts.append(self._part(segment))
        return Path(up, is_data, tuple(parts))

    def _part(self, segment: str) -> str:
        if segment.isdigit():
            raise self._no("is no path", f"an index is written [{segment}]")
        part = segment[1:-1] if segment.startswith("[") else segment
        is_word = part.startswith(("if:", "each:", "with:"))
        if not _PART.fullmatch(part) or is_word:
            raise self._no(
                f"has a name that Mustache cannot have, '{segment}'",
                "give the variable another name",
            )
        return part

    def _check(self, words: str) -> None:
        """Refuse what no name and no helper of ours has."""
        if "(" in words:
            raise self._no("has a sub-expression", _IN_DATA)
        if re.search(r"\bas\s*\|", words):
            raise self._no("names its items", "{{this}} is an item, ../ what is around")
        if re.search(r"[^\s=]=", words) and not words.startswith(("'", '"')):
            raise self._no("has a named argument", _IN_DATA)

    def _no(self, problem: str, way_out: str) -> Exception:
        return self._refuse(Refusal(self._line, self._shown, problem, way_out))


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _short(raw: str) -> str:
    line = " ".join(raw.split())
    if len(line) > _SHOWN_CHARACTERS:
        return line[:_SHOWN_CHARACTERS] + "…"
    return line
