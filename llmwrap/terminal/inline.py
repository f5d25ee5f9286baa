"""Inline Markdown to styled text: emphasis, code, links.

Not for: blocks. The only door to markdown-it, rich's own parser.

Nothing of the model gets out of here as markup of another kind: HTML is text, so
is rich's [bold], a link shows its address instead of becoming a hyperlink of the
terminal, and what an entity stands for (&#13; is a carriage return) is made
visible once more.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.style import Style
from rich.text import Text

from .paint import Paint
from .sanitize import visible

_STYLES = {
    "strong_open": Style(bold=True),
    "em_open": Style(italic=True),
    "s_open": Style(strike=True),
}


_BRACKET_LIMIT = 200
"""A text with more is not looked through for links, which takes square time."""


class _VerbatimAddresses(MarkdownIt):
    """markdown-it that leaves addresses as they were written."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - markdown-it's name
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - markdown-it's name
        return link


class InlineParser:
    """Turns inline Markdown into rich's Text; for one thread."""

    def __init__(self, paint: Paint | None = None) -> None:
        self._paint = paint or Paint()
        parser = _VerbatimAddresses("commonmark", {"html": False})
        self._parser = parser.enable("strikethrough")

    def text(self, source: str) -> Text:
        """Return `source` styled; newlines stay where they were written.

        Kept, unlike HTML would: in a chat a line break is meant, and rows that
        are on the screen do not flow again when another line comes.
        """
        if source.count("[") > _BRACKET_LIMIT:
            return Text(visible(source, keep="\n"))
        text = Text()
        for token in self._parser.parseInline(source):
            _TokenWriter(text, self._paint).write(token.children or [])
        return text


class _TokenWriter:
    """Appends the tokens of one text."""

    def __init__(self, text: Text, paint: Paint) -> None:
        self._text = text
        self._paint = paint
        self._styles = [Style.null()]
        self._links: list[tuple[str, int]] = []

    def write(self, tokens: list[Token]) -> None:
        for token in tokens:
            if token.type in ("softbreak", "hardbreak"):
                self._text.append("\n")
            elif token.type == "code_inline":
                self._append(token.content, self._paint.code)
            elif token.type == "image":
                start = len(self._text)
                self._append(token.content, self._paint.link)
                self._append_address(str(token.attrs.get("src", "")), start)
            elif token.nesting == 1:
                self._open(token)
            elif token.nesting == -1:
                self._close(token)
            else:
                self._append(token.content)

    def _open(self, token: Token) -> None:
        style = _STYLES.get(token.type, Style.null())
        if token.type == "link_open":
            style = self._paint.link
        self._styles.append(self._styles[-1] + style)
        if token.type == "link_open":
            self._links.append((str(token.attrs.get("href", "")), len(self._text)))

    def _close(self, token: Token) -> None:
        self._styles.pop()
        if token.type == "link_close":
            self._append_address(*self._links.pop())

    def _append_address(self, address: str, start: int) -> None:
        """Show where a link goes, unless its text from `start` on says so."""
        shown = self._text.plain[start:]
        address = visible(address, keep="")
        if not address or address in (shown, f"mailto:{shown}"):
            return
        self._append(" (" if shown else "(")
        self._append(address, self._paint.address)
        self._append(")")

    def _append(self, text: str, style: Style | None = None) -> None:
        style = self._styles[-1] + style if style else self._styles[-1]
        self._text.append(visible(text, keep=""), style)
