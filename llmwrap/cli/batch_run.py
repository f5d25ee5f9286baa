"""One run of `batch`: from options to the end note and the exit status."""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from ..batch.crew import Crew
from ..batch.ids import Numbers, id_digest
from ..batch.making import Common, Maker
from ..batch.output import (
    Form,
    HeldIds,
    HeldRows,
    Lines,
    OutputFile,
    Table,
    TableFile,
)
from ..batch.reading import Format, Input, InputRecord, format_of, is_openai
from ..batch.run import Askers, Batch, Bound, Counted, Servers, batch_engine
from ..batch.task import Done, row_digest
from ..engine import Engine
from ..errors import (
    ConfigError,
    Interrupted,
    SomeFailedError,
    UsageError,
)
from ..log import said_once
from ..named_files import open_named, pieces_of
from ..prompting.prompt import checked_image
from ..prompting.templates import open_library
from ..templating import Library
from ..units import format_duration
from .ask import named_sampling, schema_of, system_of
from .batch_results import (
    line_fields,
    openai_fields,
    property_cells,
    text_cell,
    with_code,
)
from .context import Context
from .prompt import filled_template
from .session import Session
from .status_line import StatusLine
from .tables import cut

if TYPE_CHECKING:
    from ..batch.cluster import Cluster

_TABLES = {"csv": ",", "tsv": "\t"}
_READ_S = 0.5
_DRAW_S = 0.2


class BatchRun:
    """Everything that can be wrong is found before anybody is asked."""

    def __init__(self, args: argparse.Namespace, context: Context) -> None:
        self._args = args
        self._context = context
        self._stack = ExitStack()
        self._session = Session.of(args, context, stdout_is_data=args.output == "-")
        # --timeout is that of each item: the batch has no deadline.
        context.set_deadline(None)
        self._log = self._session.log
        self._schema = schema_of(args, self._session)
        self._total = 0
        self._held = 0
        self._began_at = 0.0
        self._templates: Library | None = None

    def run(self) -> int:
        """Ask; return 0, or raise what became of it."""
        with self._stack:
            given = self._input()
            maker = Maker(self._common(), self._session.config, self._library, given)
            self._check(given, maker)
            if self._args.dry_run:
                return self._show_requests(given, maker)
            form, output = self._output(given)
            left = self._left(given, maker, form, output)
            return self._ask(left, maker, form, output)

    # What is asked

    def _input(self) -> Input:
        args = self._args
        name = args.files_from or args.operands[0]
        file = self._opened(name)
        kind: Format | None = "files" if args.files_from else args.input_format
        kind = kind or format_of(name)
        if kind is None:
            raise UsageError(
                f"'{name}' does not tell what it is",
                hint="--input-format lines, jsonl, csv, tsv or openai does",
            )
        if kind == "jsonl" and not args.input_format and is_openai(file):
            kind = "openai"
        limit = self._session.config.limits.prompt_bytes
        return Input(file, kind, name, limit_bytes=limit)

    def _opened(self, name: str) -> BinaryIO:
        """Return a file that can be read twice, stdin and pipes kept aside."""
        try:
            if name == "-":
                return self._spooled(self._stdin())
            number = open_named(name)
            file = open(number, "rb")  # noqa: SIM115  the stack closes it
            self._stack.enter_context(file)
            if file.seekable():
                return file
            return self._spooled(pieces_of(number, name, 1 << 62, None))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(f"cannot read '{name}': {reason}") from error

    def _spooled(self, pieces: Iterator[bytes]) -> BinaryIO:
        file = tempfile.TemporaryFile(prefix="llmwrap-")  # noqa: SIM115  as above
        self._stack.enter_context(file)
        for piece in pieces:
            file.write(piece)
        return file

    def _stdin(self) -> Iterator[bytes]:
        while (piece := self._context.stdin.read_some(_READ_S)) != b"":
            yield piece or b""

    def _common(self) -> Common:
        args, session = self._args, self._session
        words = args.operands if args.files_from else args.operands[1:]
        filled = filled_template(args, session)
        if filled is not None:
            session.carried = carried = filled.carried
            if self._schema is None and args.extract is None and carried.schema:
                args.schema = carried.schema
                self._schema = schema_of(args, session)
            if self._schema is None:
                args.extract = args.extract or carried.extract
        return Common(
            text=" ".join(words),
            filled=filled,
            files=[(name, session.text_of(name)) for name in args.file],
            images=tuple(
                checked_image(session.bytes_of(name, is_text=False), name)
                for name in args.image
            ),
            system=system_of(args, session),
            sampling=named_sampling(args),
            options=dict(args.option),
            below=session.layers().options,
            model=session.choice().model or session.config.chosen_model or "",
            think=args.think,
            is_streamed=args.stream,
            schema=self._schema,
        )

    def _library(self) -> Library:
        if self._templates is None:
            environ = self._context.environ
            self._templates = open_library(self._session.config, environ)
        return self._templates

    def _check(self, given: Input, maker: Maker) -> None:
        """Read all of the input once. Raises: ConfigError."""
        ids = Numbers()
        for record in given.records():
            ids.add(id_digest(record.id))
            if given.kind not in _TABLES or not self._total:
                maker.check(record)
            self._total += 1
        if (double := ids.double()) is not None:
            lines = [r for r in given.records() if id_digest(r.id) == double]
            raise ConfigError(
                f"'{given.name}': the id '{lines[0].id}' stands in lines"
                f" {lines[0].line} and {lines[1].line}",
                hint="each item needs an id of its own",
            )

    # What OUTPUT holds

    def _output(self, given: Input) -> tuple[Form, OutputFile | None]:
        args = self._args
        kind = format_of(args.output) if args.output != "-" else "jsonl"
        if kind in _TABLES:
            if given.kind not in _TABLES:
                raise UsageError(
                    f"'{args.output}' is a table, and '{given.name}' is none",
                    hint="give -O a name that ends in .jsonl",
                )
            names = self._answer_columns()
            cells = partial(property_cells, names) if self._schema else text_cell
            table = Table(_TABLES[kind], given.header, names, cells)
            return table, self._file(TableFile(args.output, table.read))
        fields = openai_fields if given.kind == "openai" else line_fields
        lines = Lines(fields)
        if args.output == "-":
            return lines, None
        return lines, self._file(OutputFile(args.output, lines.read))

    def _answer_columns(self) -> list[str]:
        """Return the columns that an answer fills: a property of the schema each."""
        if self._schema is None:
            return [self._args.column]
        document = json.loads(self._schema.text)
        names = document.get("properties") if isinstance(document, dict) else None
        return [*names] if isinstance(names, dict) and names else [self._args.column]

    def _file(self, output: OutputFile) -> OutputFile:
        args = self._args
        self._stack.enter_context(output)
        goes_on = args.resume or args.retry_failed
        if goes_on and not output.is_regular:
            raise UsageError(f"'{output.path}' holds nothing to go on with")
        if not goes_on and not output.is_empty:
            raise UsageError(
                f"'{output.path}' exists already",
                hint="--resume goes on with it, --retry-failed asks again what failed",
            )
        if goes_on:
            output.repair()
            if args.retry_failed:
                output.rewrite(lambda held: not held.has_failed)
        return output

    def _left(
        self, given: Input, maker: Maker, form: Form, output: OutputFile | None
    ) -> Iterator[InputRecord]:
        """Return what OUTPUT does not hold. Raises: ConfigError for another input."""
        if output is None or output.is_empty:
            left = given.records()
        elif isinstance(form, Table):
            rows = self._held_rows(given, maker, output)
            left = (r for r in given.records() if not _takes(rows, r, maker))
        else:
            ids = self._held_ids(given, maker, output)
            left = (r for r in given.records() if not _holds(ids, r, maker))
        return islice(left, self._args.limit)

    def _held_rows(self, given: Input, maker: Maker, output: OutputFile) -> HeldRows:
        rows = HeldRows(output.held())
        for record in given.records():
            self._held += _takes(rows, record, maker)
        if rows.left.count:
            if self._args.cache != "refresh":
                raise self._changed(rows.left.count, output, "rows that are not there")
            wanted = Numbers()
            for record in given.records():
                wanted.add(row_digest(record.columns, maker.task(record).key))
            output.rewrite(lambda held: wanted.take(held.number))
        return HeldRows(output.held())

    def _held_ids(self, given: Input, maker: Maker, output: OutputFile) -> HeldIds:
        ids = HeldIds(output.held())
        changed, first = Numbers(), 0
        for record in given.records():
            held = _holds(ids, record, maker)
            if held is None:
                first = first or record.line
                changed.add(id_digest(record.id))
            self._held += held is True
        if not changed.count:
            return ids
        if self._args.cache != "refresh":
            raise self._changed(changed.count, output, f"first: line {first}")
        output.rewrite(lambda held: not changed.take(held.number))
        return HeldIds(output.held())

    def _changed(self, number: int, output: OutputFile, first: str) -> ConfigError:
        return ConfigError(
            f"{number} of {self._total} items are not what '{output.path}' answers"
            f" ({first})",
            hint="--resume --refresh asks them anew",
        )

    # Asking

    def _show_requests(self, given: Input, maker: Maker) -> int:
        with self._engine(None) as engine:
            for record in islice(given.records(), self._args.limit):
                task = maker.task(record)
                if task.request is None:
                    self._log.warning(f"line {task.line}: {task.error}")
                    continue
                shown = dict(engine.wire_request(task.request)._asdict())
                self._context.output.json_line(
                    {"id": task.id, "key": task.key, **shown}
                )
        return 0

    def _engine(self, backend: str | None) -> Engine:
        wanted = self._args.concurrency
        return batch_engine(
            self._session.config,
            environ=self._context.environ,
            choice=self._session.choice()._replace(backend=backend),
            log=self._log if self._args.verbose else said_once(self._log, "note"),
            concurrency=wanted if isinstance(wanted, int) else _CONCURRENCY,
        )

    def _ask(
        self,
        left: Iterator[InputRecord],
        maker: Maker,
        form: Form,
        output: OutputFile | None,
    ) -> int:
        args = self._args
        # Before a table is begun: OUTPUT stays empty where nobody can be asked.
        servers, places = self._servers()
        write = output.write if output else self._context.output.raw
        if (output is None or output.is_empty) and (header := form.header()):
            write(header)
        workers = [partial(_asked, servers, at, maker, args.extract) for at in places]
        in_order = args.in_order or isinstance(form, Table)
        crew = Crew(left, workers, rate=args.rate, in_order=in_order)
        bound = Bound(*args.max_failures) if args.max_failures else None
        batch = Batch(crew, servers, total=self._total, bound=bound)
        self._began_at = time.monotonic()
        try:
            interrupted = self._written(batch, form, write)
        finally:
            batch.drop()
        if output:
            output.sync()
        self._log.note(self._end_note(batch.tally))
        if interrupted:
            raise Interrupted(signal.SIGINT)
        return self._status(batch)

    def _servers(self) -> tuple[Askers, Sequence[int]]:
        """Return who asks, and for each question at a time which of them does."""
        if self._args.cluster is not None:
            cluster = self._cluster()
            wanted = self._args.concurrency
            each = wanted if isinstance(wanted, int) else None
            return cluster, [0] * cluster.at_once(each)
        engines = [
            self._stack.enter_context(self._engine(name))
            for name in self._args.backend or [None]
        ]
        places = [
            at
            for at, engine in enumerate(engines)
            for _ in range(self._concurrency(engine))
        ]
        return Servers(engines, self._log), places

    def _cluster(self) -> Cluster:
        from ..batch.cluster import Cluster  # late: an extra, and slow to import

        choice = self._session.choice()
        backend = (self._args.backend or [None])[0]
        # A name of this configuration, which the workers' need not have.
        alias = self._session.alias()
        choice = choice._replace(backend=backend)
        if alias is not None:
            choice = choice._replace(model=alias.model)
        return Cluster(self._args.cluster, choice, self._log)

    def _written(
        self, batch: Batch[InputRecord], form: Form, write: Callable[[bytes], None]
    ) -> bool:
        """Write what comes; tell whether somebody ended it before its end."""
        interrupts = 0

        def interrupt(signum: int) -> None:
            nonlocal interrupts
            interrupts += 1
            if interrupts > 1 or not self._context.stderr.is_tty:
                raise Interrupted(signum)
            self._log.note("what is under way may end; Ctrl-C again drops it")
            batch.finish()

        def written(done: Done) -> None:
            write(form.line(done))
            line.show(batch.tally, self._total - self._held, self._began_at)

        with (
            BatchLine(self._context.output) as line,
            self._context.on_signals(["SIGINT"], interrupt),
        ):
            batch.run(written)
        return interrupts > 0

    def _concurrency(self, engine: Engine) -> int:
        wanted: int | str = self._args.concurrency
        if isinstance(wanted, int):
            return wanted
        return engine.slots() or _CONCURRENCY

    def _end_note(self, tally: Counted) -> str:
        items = "1 item" if tally.count == 1 else f"{tally.count} items"
        text = f"{items}: {tally.answered} answered"
        if tally.cached:
            text += f" ({tally.cached} from the cache)"
        if failed := tally.failed.total():
            kinds = [f"{kind} {count}" for kind, count in tally.failed.most_common()]
            text += f", {failed} failed ({', '.join(kinds)})"
        if self._held:
            text += f"; {self._held} were there"
        elapsed_s = time.monotonic() - self._began_at
        if tally.tokens and elapsed_s:
            text += f"; {tally.tokens / elapsed_s:.3g} tok/s"
        return text

    def _status(self, batch: Batch[InputRecord]) -> int:
        tally, error = batch.tally, batch.stopped_by
        if error is not None:
            there = self._held + tally.count
            what = f"{error.message}; {there} of {self._total} done"
            raise type(error)(what, hint="--resume goes on")
        if failed := tally.failed.total():
            raise SomeFailedError(
                f"{failed} of {tally.count} items failed",
                hint="--retry-failed asks them again",
            )
        return 0


_CONCURRENCY = 4


def _asked(
    servers: Askers, at: int, maker: Maker, wanted_code: str | None, given: InputRecord
) -> Done | None:
    done = servers.ask(at, maker.task(given))
    return with_code(done, wanted_code) if done and wanted_code else done


def _takes(rows: HeldRows, record: InputRecord, maker: Maker) -> bool:
    if not rows.left.count:
        return False
    return rows.takes(record.columns, maker.task(record).key)


def _holds(ids: HeldIds, record: InputRecord, maker: Maker) -> bool | None:
    return ids.holds(record.id, lambda: maker.task(record).key)


class BatchLine(StatusLine):
    """How far a batch is."""

    def show(self, tally: Counted, total: int, began_at: float) -> None:
        """Draw how far it is, unless that was done a moment ago."""
        now = self._clock()
        if not self._is_shown or self._was_drawn(now, _DRAW_S):
            return
        elapsed_s = max(0.001, now - began_at)
        left_s = elapsed_s * (total - tally.count) / max(1, tally.count)
        text = f"{tally.count}/{total}"
        if failed := tally.failed.total():
            text += f", {failed} failed"
        text += f", {tally.tokens / elapsed_s:.3g} tok/s"
        text += f", {format_duration(round(left_s))} left"
        self._draw(cut(text, self._width), now)
