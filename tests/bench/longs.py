"""Answers of 5,000 lines on the full screen, beside what is short or live."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .chats import Chat
from .measure import Ratio, Row, environment

_LINES, _FEW_LINES = 5_000, 50
_TOKENS_PER_LINE = 9
_WIDTHS = (100, 70, 110, 60, 90)
_KEY = "Q"  # in no answer of the server, nor in a bar


class LongBench:
    """The figures of long answers; the server is the mock one."""

    def __init__(self, llmwrap: Sequence[str], server: str) -> None:
        self._llmwrap = [*llmwrap]
        self._server = server

    def rows(self, rounds: int) -> Iterator[Row]:
        """Measure everything."""
        found = []
        for _ in range(rounds):
            long, few = (self._after_resizes(lines) for lines in (_LINES, _FEW_LINES))
            found.append((statistics.median(long), statistics.median(few)))
        what = "`interactive`, key to screen right after a resize, 5,000 lines over 50"
        long_ms = statistics.median(long for long, _ in found) * 1000
        yield Row(what, "<= 1.5", f"{_ratio(found)} ({long_ms:.0f} ms)")
        found = [self._live_and_cached() for _ in range(rounds)]
        what = "`interactive`, end of 5,000 lines on the screen, of the cache over live"
        cached_ms = statistics.median(cached for cached, _ in found) * 1000
        yield Row(what, "<= 0.5", f"{_ratio(found)} ({cached_ms:.0f} ms)")

    def _after_resizes(self, lines: int) -> list[float]:
        delays_s = []
        with tempfile.TemporaryDirectory() as home, self._chat(home, lines) as chat:
            self._asked(chat)
            for columns in _WIDTHS:
                chat.rest()
                chat.resize(columns)
                pressed = chat.press(_KEY)
                delays_s.append(chat.wait_for(_holds(_KEY)) - pressed)
                chat.press("\x15")
        return delays_s

    def _live_and_cached(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as home:
            with self._chat(home, _LINES) as chat:
                live_s = self._asked(chat)
            with self._chat(home, _LINES) as chat:
                return self._asked(chat), live_s

    def _asked(self, chat: Chat) -> float:
        """Ask, and return how long the end of the answer takes to be seen."""
        chat.wait_for(_holds("ollama"))
        chat.rest()
        asked = chat.press("go\r")
        return chat.wait_for(_holds("END")) - asked

    @contextmanager
    def _chat(self, home: str, lines: int) -> Iterator[Chat]:
        model = f"mock:code=1,nl={_TOKENS_PER_LINE},n={lines * _TOKENS_PER_LINE}"
        words = ["interactive", "--base-url", self._server, "-m", model, "--cache"]
        chat = Chat([*self._llmwrap, *words], environment(home))
        try:
            yield chat
        finally:
            chat.close()


def _holds(text: str) -> Callable[[bytes], bool]:
    return lambda seen: text.encode() in seen


def _ratio(found: Sequence[tuple[float, float]]) -> Ratio:
    ratios = [ours / theirs for ours, theirs in found]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), len(ratios))
