"""What every command needs once its options are parsed.

Configuration, log, engine, and the one reading of stdin: two options that both want
it are a usage error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import AliasConfig, Config
from ..config.api_key import is_secret_name
from ..config.kinds import is_header_name, is_header_value
from ..errors import UsageError
from ..log import LEVELS, Log, Sink, json_sink, people_sink, text_sink
from ..messages import Rendered
from ..prompting.carried import NOTHING, Layers
from ..prompting.prompt import read_input
from ..prompting.text import decoded
from ..terminal.sanitize import visible
from .context import Context

if TYPE_CHECKING:
    from ..engine import Choice, Engine
    from ..engine.choice import ConversationChoice

_LARGEST_HEADERS_BYTES = 64 * 1024
STDIN_NAMES = frozenset(("-", "/dev/stdin"))
"""Files that are stdin."""


class Session:
    """One run of one command; belongs to the main thread."""

    def __init__(
        self,
        args: argparse.Namespace,
        context: Context,
        config: Config,
        log: Log,
        *,
        has_deadline: bool = True,
    ) -> None:
        self.context = context
        self.output = context.output
        self.config = config
        self.log = log
        self._args = args
        self.stdin_content: bytes | None = None
        """What stdin held, once it was read."""
        self.has_read_files = False
        """Whether a file that the options name was read."""
        self._given_headers: tuple[tuple[str, str], ...] | None = None
        self.carried = NOTHING
        """What the template of the question brings, once it is known."""
        self.rendered: Rendered | None = None
        """Which template made the prompt, once one did."""
        self._has_deadline = has_deadline and hasattr(args, "timeout")
        self.until = 0.0
        """When reading what is named is given up, on the monotonic clock."""
        self.start_clock(context.started_at)

    def start_clock(self, now: float) -> None:
        """Let `--timeout` begin now, on the monotonic clock."""
        given_s = vars(self._args).get("timeout")
        total_s = self.config.streaming.total_timeout_s if given_s is None else given_s
        self.until = now + total_s
        if self._has_deadline:
            self.context.set_deadline(self.until)

    @classmethod
    def of(
        cls,
        args: argparse.Namespace,
        context: Context,
        *,
        stdout_is_data: bool = True,
        has_deadline: bool = True,
    ) -> Session:
        """Return the session of a command line.

        `has_deadline` False: `--timeout` is for something else than the whole command.
        Raises: ConfigError.
        """
        config = load_config(args, context)
        adopt_looks(context, config)
        log = make_log(args, context, config, stdout_is_data=stdout_is_data)
        context.log = log
        for warning in config.warnings:
            log.warning(warning)
        return cls(args, context, config, log, has_deadline=has_deadline)

    def choice(self) -> Choice:
        """Return what the options say about backend, model and patience."""
        from ..engine import Choice  # late: not every command asks somebody

        given, brought = vars(self._args), self.carried
        model, local_for = given.get("model"), ""
        if model is None:  # then the template may name one
            model, local_for = brought.model, brought.local_for
        return Choice(
            backend=given.get("backend"),
            model=model,
            local_for=local_for,
            base_url=given.get("base_url"),
            connect_timeout_s=given.get("connect_timeout"),
            first_token_timeout_s=given.get("first_token_timeout"),
            idle_timeout_s=given.get("idle_timeout"),
            total_timeout_s=given.get("timeout"),
            retries=given.get("retries"),
            retry_delay_s=given.get("retry_delay"),
            cache=given.get("cache"),
            headers=self._headers(),
        )

    def _headers(self) -> tuple[tuple[str, str], ...]:
        """Return what `-H` gives, read once. Raises: UsageError, ConfigError."""
        if self._given_headers is None:
            lines = vars(self._args).get("header") or []
            found: list[tuple[str, str]] = []
            for line in lines:
                if line.startswith("@"):
                    found += self._headers_of(line[1:])
                    continue
                name, value = parse_header(line, "-H")
                if is_secret_name(name):
                    self.log.warning(
                        f"the header '{name}' stands on the command line, where others"
                        " can read it; -H @FILE reads it from a file"
                    )
                found.append((name, value))
            self._given_headers = tuple(found)
        return self._given_headers

    def _headers_of(self, path: str) -> list[tuple[str, str]]:
        self.has_read_files = True
        content = read_input(path, _LARGEST_HEADERS_BYTES, self.until, is_private=True)
        text = content.decode("latin-1")
        lines = [line.strip() for line in text.splitlines()]
        return [parse_header(line, f"'{path}'") for line in lines if line]

    def alias(self) -> AliasConfig | None:
        """Return the alias by which the model is named, if one does.

        Raises: ConfigError.
        """
        if not self.config.aliases:
            return None
        from ..engine.selection import Selector  # late, as above

        return Selector(self.config, self.choice(), self.context.environ).alias()

    def layers(self) -> Layers:
        """Return what is said of the question below the command line."""
        return Layers.of(self.config, self.alias(), self.carried)

    def conversation_choice(self) -> ConversationChoice:
        """Return what the options of `ask` say about its conversation."""
        from ..engine.choice import ConversationChoice  # late, as above

        args, stdout = self._args, self.context.stdout
        return ConversationChoice(
            name=args.conversation,
            is_continued=args.is_continued,
            is_forbidden=args.no_history or args.dry_run,
            is_on_terminal=stdout.is_tty and args.output is None,
        )

    def engine(self, *, is_one_shot: bool) -> Engine:
        """Return an engine for this command line."""
        from ..engine import Engine  # late, as above

        return Engine(
            self.config,
            environ=self.context.environ,
            choice=self.choice(),
            log=self.log,
            until=self.context.stdin.until,
            is_one_shot=is_one_shot,
        )

    @property
    def reads_stdin(self) -> bool:
        """Tell whether something may be piped in that nobody has read yet."""
        stdin = self.context.stdin
        return stdin.is_open and not stdin.is_tty and self.stdin_content is None

    def bytes_of(self, name: str, *, is_text: bool = True) -> bytes:
        """Return what a file or stdin (`-`) holds.

        Raises: UsageError when stdin is wanted twice, ConfigError, LimitError.
        """
        limits = self.config.limits
        limit = limits.prompt_bytes if is_text else limits.body_bytes
        if name not in STDIN_NAMES:
            self.has_read_files = True
            bound = "prompt" if is_text else "body"
            hint = f"limits.{bound} sets the bound"
            return read_input(name, limit, self.until, hint=hint)
        if vars(self._args).get("no_stdin"):
            raise UsageError("stdin is wanted, and --no-stdin never reads it")
        if self.stdin_content is not None:
            raise UsageError("stdin is wanted twice", hint="it can be read only once")
        self._check_wanted_once()
        self.stdin_content = b""  # and now it is, whatever becomes of it
        self.stdin_content = self.context.stdin.read_all(
            limit, "stdin", self._note_waiting
        )
        return self.stdin_content

    def _check_wanted_once(self) -> None:
        """Say that stdin is wanted twice before it is looked at."""
        given = vars(self._args)
        names = [
            *(given.get("file") or ()),
            *(given.get("image") or ()),
            *(given.get("vars") or ()),
            str(given.get("system") or "").removeprefix("@"),
        ]
        wanted = sum(name in STDIN_NAMES for name in names)
        if wanted + (given.get("operands") == ["-"]) > 1:
            raise UsageError("stdin is wanted twice", hint="it can be read only once")

    def note_empty_stdin(self) -> None:
        """Say that nothing was piped in, where that may be a surprise."""
        if self.context.stdin.is_piped:
            self._note_to_people("stdin is empty")

    def _note_waiting(self) -> None:
        if self.context.stdin.is_piped:
            self._note_to_people("waiting for stdin to end; -n never reads it")

    def _note_to_people(self, message: str) -> None:
        """Say what a cron mail need not have."""
        if self.context.stderr.is_tty:
            self.log.note(message)
        else:
            self.log.info(message)

    def text_of(self, name: str) -> str:
        """Return the text of a file or stdin (`-`), with a note on replaced bytes.

        Raises: as `bytes_of`.
        """
        shown = "stdin" if name == "-" else name
        text, note = decoded(self.bytes_of(name), shown)
        if note:
            self.log.note(note)
        return text


def load_config(args: argparse.Namespace, context: Context) -> Config:
    """Return the configuration, read within `--timeout`. Raises: ConfigError."""
    given_s = getattr(args, "timeout", None)
    until = None if given_s is None else context.started_at + given_s
    return Config.load(args.config, context.environ, until=until)


def adopt_looks(context: Context, config: Config) -> None:
    """Let the output look as configured. Raises: ConfigError."""
    ui, output = config.ui, context.output
    output.is_plain = output.is_plain or ui.plain
    output.has_highlighting = ui.syntax_highlighting
    if ui.high_contrast or ui.theme != "default":
        from ..terminal.themes import chosen_theme  # late: most keep the default

        output.theme = chosen_theme(config)


def parse_header(line: str, where: str) -> tuple[str, str]:
    """Return name and value of a header. Raises: UsageError, without the value."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not is_header_name(name):
        shown = f" '{name}'" if colon else ""
        raise UsageError(f"{where}: no name of a header{shown}", hint="write 'K: V'")
    if not is_header_value(value):
        raise UsageError(f"{where}: the header '{name}' cannot hold its value")
    return name, value


def make_log(
    args: argparse.Namespace,
    context: Context,
    config: Config,
    *,
    stdout_is_data: bool,
) -> Log:
    """Return the log that options and configuration ask for."""
    logging = config.logging
    wanted = people_threshold(args)
    configured = LEVELS[logging.level]
    output = logging.output
    if output == "stdout" and stdout_is_data:
        output = "stderr"

    if output == "stderr":
        # The configured level may show more than the options ask for, never less.
        threshold = wanted if args.quiet else min(wanted, configured)
        if logging.format == "json":
            log_line = context.output.log_line
            return Log(json_sink(log_line, threshold, has_errors=False))
        return Log(people_sink(context.output.note, threshold))
    people = people_sink(context.output.note, wanted)
    if output == "stdout":

        def to_stdout(line: str) -> None:
            context.output.text(_one_line(line))

        return Log(people, _formatted(to_stdout, logging.format, configured))
    file = LogFile(output, Log(people))
    return Log(people, _formatted(file.write, logging.format, configured))


def people_threshold(args: argparse.Namespace) -> int:
    """Return the lowest level that stderr shows."""
    if args.quiet:
        return LEVELS["error"]
    return LEVELS[("note", "info", "debug")[min(args.verbose, 2)]]


def _formatted(write: Callable[[str], None], kind: str, threshold: int) -> Sink:
    make = json_sink if kind == "json" else text_sink
    return make(write, threshold)


class LogFile:
    """A file that log lines are added to; one that takes none costs no answer.

    Any thread may write.
    """

    def __init__(self, path: str, warnings: Log) -> None:
        self._path = path
        self._warnings = warnings
        self._is_usable = True

    def write(self, line: str) -> None:
        """Add a line, or warn once that it cannot be added.

        One write a line, the file opened each time: many runs share it, and logrotate
        may move it away at any moment.
        """
        # A fifo that nobody reads must not hold us up.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            number = os.open(self._path, flags, 0o600)
            try:
                os.write(number, _one_line(line).encode("utf-8", "replace"))
            finally:
                os.close(number)
        except OSError as error:
            if self._is_usable:
                self._warnings.warning(
                    f"cannot write the log '{self._path}': {error.strerror}; it will"
                    " lack lines of this run"
                )
            self._is_usable = False


def _one_line(line: str) -> str:
    """Return a line as it may be shown: what a server puts in it adds no other."""
    return visible(line.removesuffix("\n"), keep="") + "\n"
