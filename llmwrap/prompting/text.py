"""Bytes to text, and what is no text.

A BOM says which encoding it is; anything else is UTF-8. What is no text is refused: a
picture in the prompt makes garbage of the answer. See: git's buffer_is_binary, which
looks at as many bytes.
"""

import codecs
from typing import NamedTuple

from ..errors import ConfigError

_LOOKED_AT_BYTES = 8000
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_IMAGE_HINT = "-i takes images"
_PDF_HINT = "'pdftotext FILE -' makes text of it, which -f and stdin take"
_ARCHIVE_HINT = "unpack it, and name its files with -f"
_ENCODED_HINT = "-f takes text: UTF-8, or with a BOM UTF-16 and UTF-32"
_BEGINNINGS: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "an image", _IMAGE_HINT),
    (b"\xff\xd8\xff", 0, "an image", _IMAGE_HINT),
    (b"GIF87a", 0, "an image", _IMAGE_HINT),
    (b"GIF89a", 0, "an image", _IMAGE_HINT),
    (b"WEBP", 8, "an image", _IMAGE_HINT),
    (b"II*\0", 0, "an image", "-i takes PNG, JPEG, GIF and WebP"),
    (b"MM\0*", 0, "an image", "-i takes PNG, JPEG, GIF and WebP"),
    (b"%PDF-", 0, "a PDF", _PDF_HINT),
    (b"PK\x03\x04", 0, "an archive", _ARCHIVE_HINT),
    (b"PK\x05\x06", 0, "an archive", _ARCHIVE_HINT),
    (b"\x1f\x8b", 0, "an archive", _ARCHIVE_HINT),
    (b"1AY&SY", 4, "an archive", _ARCHIVE_HINT),
    (b"\xfd7zXZ\0", 0, "an archive", _ARCHIVE_HINT),
    (b"7z\xbc\xaf'\x1c", 0, "an archive", _ARCHIVE_HINT),
    (b"\x28\xb5\x2f\xfd", 0, "an archive", _ARCHIVE_HINT),
    (b"Rar!\x1a\x07", 0, "an archive", _ARCHIVE_HINT),
    (b"ustar", 257, "an archive", _ARCHIVE_HINT),
    (b"GGUF", 0, "a model", "-m takes the path of a .gguf file"),
)


class Decoded(NamedTuple):
    """Text, and what was changed to get it, for a note."""

    text: str
    note: str = ""


def decoded(data: bytes, name: str) -> Decoded:
    """Return the text that bytes hold; `name` is for messages.

    Raises: ConfigError for what is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding, name)
    _check_text(data, name)
    return _decoded(data, "utf-8", name)


def _decoded(data: bytes, encoding: str, name: str) -> Decoded:
    note = ""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        shown = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        note = f"'{name}' is not all {shown}: bad bytes became U+FFFD"
        text = data.decode(encoding, "replace")
    if "\0" in text:
        note = note or f"'{name}' has null characters: they became U+FFFD"
        text = text.replace("\0", "\ufffd")
    return Decoded(text, note)


def _check_text(data: bytes, name: str) -> None:
    for beginning, offset, what, hint in _BEGINNINGS:
        if data[offset : offset + len(beginning)] == beginning:
            raise ConfigError(f"'{name}' is {what} and no text", hint=hint)
    if b"\0" in data[:_LOOKED_AT_BYTES]:
        raise ConfigError(f"'{name}' is no text: it has null bytes", hint=_ENCODED_HINT)
