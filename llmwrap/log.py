"""What the program says beside its answers: notes, warnings, log lines.

One `Log` is made at the top and handed down. It hands each record to its sinks: lines
for people on stderr (`llmwrap: note: ...`), and the log proper as text or as JSON with
OpenTelemetry's attribute names. Not the standard library's logging: its import costs
13 ms, and every short run would pay; the library hands its records on to it.

Keys never reach a record; prompts and answers only at level debug.

See: OpenTelemetry semantic conventions, generative AI spans; logs data model.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

LEVELS: Mapping[str, int] = {
    "debug": 10,
    "info": 20,
    "note": 25,
    "warning": 30,
    "error": 40,
}
_SEVERITY = {10: 5, 20: 9, 25: 11, 30: 13, 40: 17}  # OpenTelemetry's numbers

Attribute = None | bool | int | float | str | list[str]


class LogRecord(NamedTuple):
    """One thing said; `attributes` carry OpenTelemetry's dotted names."""

    level: str
    message: str
    attributes: Mapping[str, Attribute]


class Sink(NamedTuple):
    """Where records go: from which level on (a number of LEVELS), and how."""

    threshold: int
    emit: Callable[[LogRecord], None]


class Log:
    """Say things at five levels.

    Any thread may call it; a sink writes each record in one write.
    """

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._said: set[str] | None = None  # notes, where each is said once

    def is_heard(self, level: str) -> bool:
        """Tell whether a sink takes records of `level`, before one is made up."""
        return any(LEVELS[level] >= sink.threshold for sink in self._sinks)

    def once(self) -> "Log":
        """Return a log that says each note once.

        What is decided anew for each question of a chat is news the first time only.
        """
        log = Log(*self._sinks)
        log._said = set()
        return log

    def debug(self, message: str, **attributes: Attribute) -> None:
        """Say what only somebody who looks for a fault wants to know."""
        self.record("debug", message, attributes)

    def info(self, message: str, **attributes: Attribute) -> None:
        """Say what happened."""
        self.record("info", message, attributes)

    def note(self, message: str, **attributes: Attribute) -> None:
        """Say what was decided for the user."""
        self.record("note", message, attributes)

    def warning(self, message: str, **attributes: Attribute) -> None:
        """Say what is wrong though the run goes on."""
        self.record("warning", message, attributes)

    def error(self, message: str, **attributes: Attribute) -> None:
        """Say what ended the run."""
        self.record("error", message, attributes)

    def record(
        self, level: str, message: str, attributes: Mapping[str, Attribute]
    ) -> None:
        """Hand a record to every sink; underscores in names stand for dots."""
        if not self.is_heard(level) or not self._is_news(level, message):
            return
        record = _record(level, message, attributes)
        for sink in self._sinks:
            if LEVELS[level] >= sink.threshold:
                sink.emit(record)

    def _is_news(self, level: str, message: str) -> bool:
        if self._said is None or level != "note":
            return True
        is_news = message not in self._said
        self._said.add(message)
        return is_news


SILENT = Log()
"""A log that says nothing, for tests and for whoever wants none."""


class LoggingLog(Log):
    """Say it to the standard library's logger `llmwrap`; notes are of its level INFO.

    The attributes become those of its record. Nothing is said as long as nobody has
    imported `logging`: who listens has, and a cached answer need not pay for it.
    """

    def is_heard(self, level: str) -> bool:
        """Tell whether the logger takes records of `level` at the moment."""
        logging = sys.modules.get("logging")
        if logging is None:
            return False
        is_enabled: bool = logging.getLogger("llmwrap").isEnabledFor(_standard(level))
        return is_enabled

    def record(
        self, level: str, message: str, attributes: Mapping[str, Attribute]
    ) -> None:
        """Hand a record to the logger."""
        if not self.is_heard(level):
            return
        import logging

        logger = logging.getLogger("llmwrap")
        if not logger.handlers:
            # Else it writes warnings to stderr where an application set nothing up.
            logger.addHandler(logging.NullHandler())
        record = _record(level, message, attributes)
        logger.log(_standard(level), message, extra=dict(_known(record)), stacklevel=3)


def _standard(level: str) -> int:
    return LEVELS["info" if level == "note" else level]


LOGGING = LoggingLog()
"""The log of the library."""


def _record(level: str, message: str, attributes: Mapping[str, Attribute]) -> LogRecord:
    dotted = {name.replace("__", "."): attributes[name] for name in attributes}
    return LogRecord(level, message, dotted)


def said_once(log: Log, level: str = "warning") -> Log:
    """Return a log that passes each record from `level` on once.

    For many requests that would all say the same. Any thread may call it.
    """
    said: set[str] = set()

    def emit(record: LogRecord) -> None:
        if record.message not in said:
            said.add(record.message)
            log.record(record.level, record.message, record.attributes)

    return Log(Sink(LEVELS[level], emit))


def people_sink(tell: Callable[[str, str], None], threshold: int) -> Sink:
    """Return a sink for people; `tell` gets level and message of each record.

    Errors are left out: the program's end writes their line, exactly one.
    """

    def emit(record: LogRecord) -> None:
        if record.level != "error":
            tell(record.level, record.message)

    return Sink(threshold, emit)


def text_sink(write: Callable[[str], None], threshold: int) -> Sink:
    """Return a sink of log lines: time, level, message, attributes as `name=value`."""

    def emit(record: LogRecord) -> None:
        pairs = "".join(f" {name}={value}" for name, value in _known(record))
        write(f"{_now()} {record.level} {record.message}{pairs}\n")

    return Sink(threshold, emit)


def json_sink(
    write: Callable[[str], None], threshold: int, *, has_errors: bool = True
) -> Sink:
    """Return a sink of JSON lines in OpenTelemetry's terms.

    `has_errors` False leaves errors out, where their line for people goes to the same
    place.
    """

    def emit(record: LogRecord) -> None:
        if record.level == "error" and not has_errors:
            return
        import json

        number = LEVELS[record.level]

        line = {
            "timestamp": _now(),
            "severity_text": record.level.upper(),
            "severity_number": _SEVERITY[number],
            "body": record.message,
            "attributes": dict(_known(record)),
        }
        write(json.dumps(line, ensure_ascii=False) + "\n")

    return Sink(threshold, emit)


def _known(record: LogRecord) -> list[tuple[str, Attribute]]:
    return [(k, v) for k, v in record.attributes.items() if v is not None]


def _now() -> str:
    now = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1000):03d}Z"
