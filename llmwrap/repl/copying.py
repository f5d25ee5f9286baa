"""What of a text that goes to the clipboard may be pasted. Pure."""

from __future__ import annotations

from ..terminal.sanitize import lines_ended, visible

_DRIVING = (
    *(code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"),
    *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),
)
_FORMS = {code: visible(chr(code)) for code in _DRIVING}
_FORMS |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def pasteable(text: str) -> str:
    """Return a text as it is, but for what drives the terminal it is pasted into.

    That is control characters, and what reorders a line; line ends become newlines.
    """
    return lines_ended(text).translate(_FORMS)
