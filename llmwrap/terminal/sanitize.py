"""Make control characters visible, so that no text can drive a terminal.

Not for: a pipe, whose reader gets what the model wrote. Imports
nothing, because every run that prints a word passes here.

One character is mapped to its visible form without a look at its neighbours. A
filter that knows escape *sequences* fails as soon as one is cut between two
tokens.

Made visible:

* C0 (except what `keep` lists) and DEL in caret notation: ESC is `^[`, CR `^M`;
* C1, U+0080 to U+009F, as `<U+009B>`: an eight-bit CSI needs no ESC;
* what reorders or hides text: bidi marks, embeddings, overrides and isolates
  (U+061C, U+200E, U+200F, U+202A-U+202E, U+2066-U+2069), line and paragraph
  separators (U+2028, U+2029), and what shows as nothing at all: U+00AD, U+180E,
  U+200B, U+2060-U+2064, U+206A-U+206F, U+FEFF, U+FFF9-U+FFFB, U+1D173-U+1D17A
  and the tag characters U+E0000-U+E007F, an invisible ASCII.

A lone surrogate becomes U+FFFD, since it cannot be written as UTF-8.

Left alone: ZWJ and ZWNJ (emoji; Persian, Indic scripts) and variation selectors
(emoji, ideographs), which change a glyph but hide none; the blank fillers of
Hangul and Braille, which are seen as blanks. A flag made of tag characters
(Scotland) shows its tags: rare, and not to be told from hidden text.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost more than this whole module
if TYPE_CHECKING:
    from collections.abc import Mapping

_HIDING = (
    *(0x00AD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0xFEFF),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFFF9, 0xFFFC),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE0080),
)


def _visible_forms(keep: str) -> dict[int, str]:
    forms = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    for code in (*range(0x20), 0x7F):
        forms[code] = "^" + chr(code ^ 0x40)
    for code in (*range(0x80, 0xA0), *_HIDING):
        forms[code] = f"<U+{code:04X}>"
    for character in keep:
        forms.pop(ord(character), None)
    return forms


_FORMS: Mapping[int, str] = _visible_forms("\n\t")


def lines_ended(text: str) -> str:
    """Return a whole text with newlines where its lines end in CR LF.

    A CR that ends no line stays: it moves the cursor, and is made visible later.
    """
    return text.replace("\r\n", "\n") if "\r" in text else text


class LineEnds:
    """The same for a text that comes in pieces; for one thread."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece; a CR at its end waits for what follows."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        return lines_ended(text[: len(text) - len(self._held)])

    def finish(self) -> str:
        """Return what waited."""
        held, self._held = self._held, ""
        return held


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return `text` with every control character in a form one can see.

    The result of a text does not depend on how it was cut into pieces, so one
    may call this for each token. What is visible already stays as it is, and a
    second call changes nothing.

    `keep`: characters to leave alone; the empty string for what must stay on
    one line, as a label or a model's name.
    """
    if text.isprintable():  # False for all that is mapped: Cc, Cf, Cs, Zl, Zp
        return text
    if keep == "\n\t":
        return text.translate(_FORMS)
    return text.translate(_visible_forms(keep))
