"""The world a command runs in: descriptors, environment, clock, in one object.

Tests make one of their own. Nothing else in the program touches sys.stdin, sys.stdout,
sys.stderr, os.environ or signals.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from ..errors import Interrupted
from ..log import SILENT, Log
from ..terminal.style import prepare_console
from .descriptor import Descriptor
from .output import Output

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from ..direct import Invocation

_ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_ENDING_S = 1.0  # for leaving in good order
_SOON_S = 0.005
_WEAKREFS = ("weakref.py", "_weakrefset.py")


class Context:
    """Standard descriptors, environment and signals of one run."""

    def __init__(
        self,
        stdin: Descriptor,
        stdout: Descriptor,
        stderr: Descriptor,
        environ: Mapping[str, str],
        invocation: Invocation | None = None,
    ) -> None:
        self.invocation = invocation
        """This run as direct mode sees it, if it does."""
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.output = Output(stdout, stderr, environ)
        self.environ = environ
        # Direct mode may have waited for stdin.
        self.started_at = invocation.started_at if invocation else time.monotonic()
        self.log: Log = SILENT
        """The log of the command, once its configuration is read."""
        self.is_debugging = environ.get("LLMWRAP_DEBUG", "") not in ("", "0")
        """Whether a bug shall show its traceback."""
        self.signum: int | None = None
        """The signal that asked the program to end, if one did."""
        self._has_struck = False
        self._is_settled = False

    @classmethod
    def of_process(cls, invocation: Invocation | None = None) -> Context:
        """Return the context of this process, with what direct mode read of stdin.

        Descriptors that are closed are opened on /dev/null, so that no file opened
        later becomes the program's stdout by accident.
        """
        descriptors = []
        for number in (0, 1, 2):
            try:
                os.fstat(number)
                descriptors.append(Descriptor(number))
            except OSError:
                _fill(number)
                descriptors.append(Descriptor(number, is_open=False))
        stdin, stdout, stderr = descriptors
        if stdout.is_tty or stderr.is_tty:
            prepare_console()
        if invocation:
            stdin.ahead = invocation.stdin_ahead
            stdin.has_ended = invocation.has_stdin_ended
        context = cls(stdin, stdout, stderr, os.environ, invocation)
        # Ours writes to descriptors: what comes here is printed by code of others, in
        # the middle of an answer.
        sys.stdout = Printed(context)
        return context

    def set_deadline(self, until: float | None) -> None:
        """Let reading stdin and writing stdout and stderr give up at `until`."""
        for descriptor in (self.stdin, self.stdout, self.stderr):
            descriptor.until = until

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Turn the ending signals into Interrupted while there is something to end.

        One that came ignored (nohup, `&`) stays ignored. The first one counts: those
        behind it do nothing, as the program is ending already. It ends within a
        second even where the exception gets lost (in a `__del__`) or a write blocks.
        """
        numbers = [getattr(signal, name) for name in _ENDING_SIGNALS]
        numbers = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]

        before = {n: signal.signal(n, self._interrupt) for n in numbers}
        try:
            yield
        except Interrupted:
            raise  # and let further signals do nothing: the end is near
        except BaseException:
            _restore(before)
            raise
        else:
            _restore(before)

    @contextmanager
    def on_signals(
        self, names: Sequence[str], call: Callable[[int], object]
    ) -> Iterator[None]:
        """Let signals call something instead, in the main thread and at any moment.

        Those that came ignored stay so.
        """
        numbers = [getattr(signal, name) for name in names]
        numbers = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
        before = {n: signal.signal(n, lambda n, frame: call(n)) for n in numbers}
        try:
            yield
        finally:
            _restore(before)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Leave Ctrl-C to a program that has the terminal meanwhile."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def pause(self, *, is_group: bool) -> None:
        """Stop as Ctrl-Z does, until somebody says to go on; for the main thread.

        `is_group`: with all that the shell started together with this process. Where
        there is no job control nothing stops.
        """
        if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
            return
        numbers: tuple[int, ...] = (signal.SIGTSTP, signal.SIGCONT)
        before = {n: signal.signal(n, signal.SIG_DFL) for n in numbers}
        try:
            os.kill(0 if is_group else os.getpid(), signal.SIGTSTP)
        finally:
            _restore(before)

    def take_time(self) -> None:
        """Let the end last: there is a report to be written; a next signal ends it."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name in _ENDING_SIGNALS:
            number = getattr(signal, name)
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_DFL)

    def settle(self) -> None:
        """Let ending signals do nothing from now on: what was asked for is done."""
        self._is_settled = True

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is None and not self._is_settled:
            self.signum = signum
            signal.signal(signal.SIGALRM, lambda _, frame: self._strike(signum, frame))
            self._strike(signum, frame)

    def _strike(self, signum: int, frame: FrameType | None) -> None:
        """Raise Interrupted, where it can be caught; die when that did not help."""
        if self._has_struck:
            self.die(signum)
            return
        if self._is_settled:
            return
        if _loses_exceptions(frame):
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)
            return
        self._has_struck = True
        signal.setitimer(signal.ITIMER_REAL, _ENDING_S)
        raise Interrupted(signum)

    def die(self, signum: int) -> int:
        """End by the signal itself, so that shell and parent process agree."""
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
        return 128 + signum  # Only where the signal is blocked.


class Printed(io.TextIOBase):
    """What packages of others print: a line of the log, never a part of the answer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Hand on whole lines; any thread may call it."""
        *lines, self._open = (self._open + text).split("\n")
        for line in filter(None, lines):
            self._context.log.debug(f"printed: {line}")
        return len(text)


_Handlers = Mapping[
    int, Callable[[int, FrameType | None], object] | int | signal.Handlers | None
]


def _loses_exceptions(frame: FrameType | None) -> bool:
    """Tell whether an exception raised in a frame would not arrive anywhere.

    Python prints those of finalizers and goes on; importlib does so in its callbacks,
    and an import may make a TypeError of one.
    """
    while frame is not None:
        code = frame.f_code
        is_finalizer = code.co_name == "__del__" or code.co_filename.endswith(_WEAKREFS)
        if is_finalizer or code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _restore(handlers: _Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _fill(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def arguments() -> list[str]:
    """Return the words of the command line; bytes that are no UTF-8 are surrogates."""
    return sys.argv[1:]
