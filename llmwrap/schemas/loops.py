"""Models that a grammar lets say nothing else, and that never end.

One that wants to say what the grammar forbids prints blanks, or digits, until the
limit: minutes of a GPU for nothing. Both are seen while the answer streams.
"""

from __future__ import annotations

import re

BLANKS, DIGITS = 256, 64
_RUN = re.compile(rf"(\s{{{BLANKS + 1}}})|[0-9][0-9.eE+-]{{{DIGITS}}}")
_IN_STRING = re.compile(r'["\\\n]')


class LoopWatch:
    """Watch a growing answer; `found` says what is wrong with it, once it is.

    Strings are left alone: they may hold what they like.
    """

    def __init__(self) -> None:
        self.found = ""
        self._outside = ""
        self._is_in_string = False
        self._is_escaped = False

    def add(self, text: str) -> None:
        """Take what follows."""
        at = 0
        while at < len(text) and not self.found:
            at = self._skip(text, at) if self._is_in_string else self._look(text, at)

    def _look(self, text: str, at: int) -> int:
        quote = text.find('"', at)
        end = len(text) if quote < 0 else quote
        outside = self._outside + text[at:end]
        if run := _RUN.search(outside):
            self.found = _WORDS[run.lastindex is not None]
        self._outside = outside[-BLANKS:]
        if quote >= 0:
            self._outside, self._is_in_string = "", True
        return end + 1

    def _skip(self, text: str, at: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            return at + 1
        found = _IN_STRING.search(text, at)
        if found is None:
            return len(text)
        # No string goes on behind the end of a line: it was a quotation mark in prose.
        self._is_escaped = found[0] == "\\"
        self._is_in_string = self._is_escaped
        return found.end()


_WORDS = {
    True: f"more than {BLANKS} blanks in a row came where JSON goes on",
    False: f"a number of more than {DIGITS} digits came",
}
