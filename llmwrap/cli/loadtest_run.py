"""One run of `loadtest`: from options to results and exit status."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack

from ..engine import Engine
from ..engine.targets import Target
from ..errors import Interrupted, SomeFailedError, TargetMissedError
from ..loadtest.baseline import check_comparable
from ..loadtest.compare import ERRORS, Change, Gate, changes, worse
from ..loadtest.document import Kept, document_of, read_kept
from ..loadtest.machine import Machine, this_machine
from ..loadtest.summary import Outcome, Summary, summary_of
from ..loadtest.trial import Plan, Trial, setting_of, settled
from ..log import LEVELS, Log, Record, Sink
from ..prompting.prompt import read_input
from .context import Context
from .loadtest_plan import plan_of
from .loadtest_text import ProgressLine, report_text
from .output_file import AtomicFile
from .session import Session

_LARGEST_BASELINE_BYTES = 1 << 30


def tested(args: argparse.Namespace, context: Context) -> int:
    """Test; return 0, or raise what the outcome means."""
    with context.interruptible(), ExitStack() as stack:
        test = _Test(args, context, stack)
        with context.output.errors_as_json(is_wanted=args.json):
            outcome = test.outcome()
        return test.tell(outcome)


class _Test:
    """One run of the command: everything that can be wrong is found before it asks."""

    def __init__(
        self, args: argparse.Namespace, context: Context, stack: ExitStack
    ) -> None:
        self._args = args
        self._context = context
        self._stack = stack
        self._interrupted: Interrupted | None = None
        self._kept: Kept | None = None
        self._output: AtomicFile | None = None
        self._report: AtomicFile | None = None

    def outcome(self) -> Outcome:
        """Run the test, to its end or until a signal says that it is enough."""
        args, context = self._args, self._context
        session = Session.of(args, context)
        # --timeout is that of each request: the test has no deadline.
        context.set_deadline(None)
        self._open_files()
        if name := args.baseline:
            content = read_input(name, _LARGEST_BASELINE_BYTES, session.until)
            self._kept = read_kept(content, name)
        machine = this_machine()
        plan = plan_of(args, session)
        target, engine = self._engine(session, plan)
        if self._kept and not args.compare_anyway:
            check_comparable(self._kept, setting_of(plan, target), machine)
        session.log.note(_announcement(plan, target))
        return self._tried(Trial(engine, target, plan), machine)

    def _tried(self, trial: Trial, machine: Machine) -> Outcome:
        with ProgressLine(self._context.output) as line:
            try:
                trial.run(line.show)
            except Interrupted as interrupted:
                self._context.take_time()
                self._interrupted = interrupted
                trial.stop()
        return trial.outcome(machine, is_interrupted=self._interrupted is not None)

    def tell(self, outcome: Outcome) -> int:
        """Write the results and return the status, or raise what they mean."""
        args, summary = self._args, summary_of(outcome)
        found: list[Change] = []
        if self._kept and not self._interrupted:
            gate = Gate(args.tolerance, args.confidence, args.seed or 0)
            found = changes(self._kept.samples, outcome.samples, gate)
            if len(found) == 1:
                self._context.log.warning(
                    "too few complete answers to compare their latencies"
                )
        document = document_of(outcome, summary, found)
        if self._output:
            self._output.json_line(document)
            self._output.commit(lambda: None)
        if self._report:
            _write(self._report, _page(outcome, summary, found, args))
        if args.json or args.output == "-":
            self._context.output.json_line(document)
        else:
            text = report_text(outcome, summary, found, has_samples=args.samples)
            self._context.output.text(text)
        if self._interrupted:
            raise self._interrupted
        _raise_verdict(summary, found)
        return 0

    def _open_files(self) -> None:
        args = self._args
        if args.report:
            from ..loadtest.plots import check_library

            check_library()
            self._report = self._stack.enter_context(AtomicFile(args.report))
        if args.output and args.output != "-":
            self._output = self._stack.enter_context(AtomicFile(args.output))

    def _engine(self, session: Session, plan: Plan) -> tuple[Target, Engine]:
        """Return whom to ask, and the engine that does."""
        args, environ = self._args, self._context.environ
        choice = session.choice()._replace(
            retries=args.retries or 0,
            cache="off" if plan.cache == "off" else "use",
        )
        config = session.config
        streaming = config.streaming._replace(
            max_concurrent_streams=plan.load.most_workers
        )
        config = config._replace(streaming=streaming)
        if plan.cache == "test":
            directory = self._stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="llmwrap-", ignore_cleanup_errors=True
                )
            )
            config = config._replace(cache=config.cache._replace(path=directory))
        with Engine(config, environ=environ, choice=choice, log=session.log) as asked:
            target = asked.target()
        log = session.log if args.verbose else _said_once(session.log)
        engine = Engine(
            config, environ=environ, choice=settled(choice, target), log=log
        )
        return target, self._stack.enter_context(engine)


def _write(file: AtomicFile, content: bytes) -> None:
    file.write(content)
    file.commit(lambda: None)


def _announcement(plan: Plan, target: Target) -> str:
    load, backend = plan.load, target.backend
    where = f"'{target.model}' on {backend.name}"
    if backend.address:  # The embedded one has none before it is asked.
        where += f" at {backend.address}"
    if load.is_open:
        return f"testing {where}: {load.rate_per_s:g} requests a second"
    return f"testing {where}: {load.concurrency} requests at once"


def _page(
    outcome: Outcome,
    summary: Summary,
    found: list[Change],
    args: argparse.Namespace,
) -> bytes:
    from ..loadtest.page import page_of
    from ..loadtest.plots import plots_of

    plots = plots_of(outcome)
    page = page_of(outcome, summary, plots, found, has_samples=args.samples)
    return page.encode("utf-8", "replace")


def _raise_verdict(summary: Summary, found: list[Change]) -> None:
    """Raise TargetMissedError or SomeFailedError where one is due."""
    failed = ", ".join(f"{kind} {n}" for kind, n in summary.errors_by_kind.items())
    failed = f"{summary.errors} of {summary.requests} requests failed: {failed}"
    if broken := worse(found):
        first = ", ".join(_spoken(change) for change in broken)
        also = f"; {failed}" if summary.errors else ""
        raise TargetMissedError(f"worse than the baseline: {first}{also}")
    if summary.errors:
        raise SomeFailedError(failed)


def _spoken(change: Change) -> str:
    name = f"{change.name.removesuffix('_s')} {change.figure}"
    if change.name == ERRORS:
        return f"{name} {change.old:.1%} to {change.new:.1%}"
    if change.ratio is None:
        return f"{name} by {change.new * 1e3:.1f} ms"
    return f"{name} by {change.ratio - 1:.1%}"


def _said_once(log: Log) -> Log:
    """Return a log that passes each warning on once: every request would say it."""
    said: set[str] = set()

    def emit(record: Record) -> None:
        if record.message not in said:
            said.add(record.message)
            log.record(record.level, record.message, record.attributes)

    return Log(Sink(LEVELS["warning"], emit))
