"""Chats measured in a terminal of their own: a pty that somebody reads.

The terminal answers nothing and forgets what it reads, so what is measured is the
program.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from llmwrap.history import Conversations, Turn
from llmwrap.messages import Message

from .measure import Ratio, Row, environment, run

_ROWS, _COLUMNS = 24, 80
_READY = b"\x1b[?2026l"  # the end of the first frame
_KEYS = "BCDGHJKMQSUVWXYZ"  # what no answer of the server holds, nor a bar
_LONG_S = 120.0
_IDLE_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_MESSAGES, _MESSAGE_BYTES = 10_000, 1000
_MIB = 1 << 20
_SHORT, _LONG = 1_000, 20_000


class Chat:
    """A chat in a pty; `seen` is what it wrote since it was last looked at."""

    def __init__(self, command: Sequence[str], environ: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        self._set_size(_COLUMNS)
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""

    def _set_size(self, columns: int) -> None:
        size = struct.pack("HHHH", _ROWS, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def resize(self, columns: int) -> None:
        """Change how wide the terminal is, and tell."""
        self._set_size(columns)
        os.kill(self._process.pid, signal.SIGWINCH)

    def rest(self) -> None:
        """Read until it has nothing more to do."""
        is_busy = True
        while is_busy:
            before_s, until = self.cpu_s, time.perf_counter() + _IDLE_S
            while (left_s := until - time.perf_counter()) > 0:
                self.read(left_s)
            is_busy = self.cpu_s - before_s > _IDLE_S / 5
        self.seen = b""

    def press(self, keys: str) -> float:
        """Press keys; return the moment."""
        pressed = time.perf_counter()
        os.write(self._master, keys.encode())
        return pressed

    def wait_for(self, is_there: Callable[[bytes], object]) -> float:
        """Read until what was written satisfies somebody; return the moment."""
        until = time.monotonic() + _LONG_S
        while not is_there(self.seen):
            if not self.read(1.0) and time.monotonic() > until:
                raise SystemExit(f"a chat never showed it: {self.seen[-300:]!r}")
        return time.perf_counter()

    def read(self, wait_s: float) -> bool:
        """Read what there is, waiting for it; tell whether there was anything."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            self.seen += os.read(self._master, 1 << 16)
        except OSError as error:
            raise SystemExit(f"a chat ended: {self.seen[-300:]!r}") from error
        return True

    @property
    def cpu_s(self) -> float:
        """Return the processor time it took so far."""
        with open(f"/proc/{self._process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def peak_bytes(self) -> int:
        """Return the most memory it had."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as file:
            (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", file.read())
        return int(peak) * 1024

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


class ChatBench:
    """The figures of chats; `directory` is for homes of their own."""

    def __init__(self, llmwrap: Sequence[str], server: str, directory: str) -> None:
        self._llmwrap = [*llmwrap]
        self._server = server
        self._directory = directory

    def rows(self, rounds: int) -> Iterator[Row]:
        """Measure everything."""
        yield self._ready(rounds)
        yield self._keys()
        for command in ("chat", "interactive"):
            yield self._cpu(command, max(1, rounds // 5))
        yield from self._memory()

    def _ready(self, rounds: int) -> Row:
        found = []
        for number in range(rounds + 1):
            with self._chat("chat", "mock:n=1") as chat:
                ours_s = chat.wait_for(lambda seen: _READY in seen) - chat.started
            command = [sys.executable, "-c", "import prompt_toolkit"]
            theirs_s = run(command, environment(self._directory)).wall_s
            if number:  # the first one makes bytecode
                found.append(ours_s / theirs_s)
        what = "`chat` ready for input over `python3 -c 'import prompt_toolkit'`"
        return Row(what, "<= 1.5", str(_ratio(found)))

    def _keys(self) -> Row:
        delays_s = []
        with self._chat("chat", "mock:ttft=50,itl=5,n=4000") as chat:
            chat.wait_for(lambda seen: b"ollama" in seen)
            chat.press("go\r")
            chat.wait_for(lambda seen: b"aaaab" in seen)
            for number in range(300):
                key = _KEYS[number % len(_KEYS)]
                chat.seen = b""
                pressed = time.perf_counter()
                chat.press(key)
                shown_at = chat.wait_for(partial(_holds, key.encode()))
                delays_s.append(shown_at - pressed)
                until = time.perf_counter() + 0.03
                while (left_s := until - time.perf_counter()) > 0:
                    chat.read(left_s)
                if number % 40 == 39:
                    chat.press("\x15")  # the line is long enough
        percentiles = statistics.quantiles(delays_s, n=100)
        p50, p99 = percentiles[49] * 1000, percentiles[98] * 1000
        what = "key to screen while 200 tokens/s stream in"
        measured = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, n {len(delays_s)}"
        return Row(what, "p99 <= 50 ms", measured)

    def _cpu(self, command: str, rounds: int) -> Row:
        found = []
        for _ in range(rounds):
            short = self._cpu_per_token(command, _SHORT)
            long = self._cpu_per_token(command, _LONG)
            found.append(long / short)
        what = f"`{command}`, processor time for a token, answer of 20,000 over 1,000"
        return Row(what, "<= 1.3", f"{_ratio(found)} ({short * 1000:.2f} ms)")

    def _cpu_per_token(self, command: str, tokens: int) -> float:
        with self._chat(command, f"mock:ttft=50,itl=2,n={tokens}") as chat:
            chat.wait_for(lambda seen: b"ollama" in seen)
            chat.press("go\r")
            chat.wait_for(lambda seen: b"aaaab" in seen)
            before_s = chat.cpu_s
            chat.seen = b""
            while b"TTFT" not in chat.seen[-4096:]:
                chat.seen = chat.seen[-4096:]
                chat.read(1.0)
            return (chat.cpu_s - before_s) / tokens

    def _memory(self) -> Iterator[Row]:
        self._keep_messages()
        for command in ("chat", "interactive"):
            with self._chat(command, "mock:n=5", "-c") as chat:
                chat.wait_for(partial(_holds, b"ollama"))
                delays_s = []
                if command == "interactive":
                    delays_s = [self._scrolled(chat, key) for key in _SCROLLS]
                peak = chat.peak_bytes / _MIB
            what = f"`{command}` with 10,000 messages of 1 KB, peak memory"
            yield Row(what, "<= 150 MiB", f"{peak:.0f} MiB")
        shown = ", ".join(f"{delay_s * 1000:.0f}" for delay_s in delays_s)
        what = "the same, scrolled: Home, End, PgUp, PgUp, Ctrl-F and a text, in ms"
        yield Row(what, "no pause", shown)

    def _scrolled(self, chat: Chat, keys: str) -> float:
        chat.seen = b""
        pressed = time.perf_counter()
        chat.press(keys)
        return chat.wait_for(lambda seen: _READY in seen) - pressed

    def _keep_messages(self) -> None:
        conversation = Conversations(environment(self._directory)).new()
        word = "lorem ipsum dolor sit amet "
        text = (word * (_MESSAGE_BYTES // len(word) + 1))[:_MESSAGE_BYTES]
        turns = []
        for number in range(_MESSAGES // 2):
            at = float(number)
            turns.append(Turn(Message("user", f"{number} {text}"), "", "", at))
            answer = Message("assistant", f"{number} {text}")
            turns.append(Turn(answer, "mock", "ollama", at))
        conversation.extend(turns)

    @contextmanager
    def _chat(self, command: str, model: str, *options: str) -> Iterator[Chat]:
        words = [command, "--base-url", self._server, "-m", model, "--no-cache"]
        chat = Chat([*self._llmwrap, *words, *options], environment(self._directory))
        try:
            yield chat
        finally:
            chat.close()


_SCROLLS = ("\x1b[H", "\x1b[F", "\x1b[5~", "\x1b[5~", "\x06", "4321 lorem")


def _holds(wanted: bytes, seen: bytes) -> bool:
    return wanted in seen


def _ratio(found: Sequence[float]) -> Ratio:
    return Ratio(statistics.median(found), min(found), max(found), len(found))
