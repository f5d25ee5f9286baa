"""One run of `loadtest`: from options to results and exit status."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..config import Config
from ..engine import Choice, Engine
from ..engine.targets import Target
from ..errors import Interrupted, SomeFailedError, TargetMissedError, UsageError
from ..loadtest.baseline import check_comparable
from ..loadtest.compare import ERRORS, Change, Gate, changes, is_spread_known, worse
from ..loadtest.document import Kept, document_of, read_kept
from ..loadtest.machine import Machine, this_machine
from ..loadtest.plan import Load
from ..loadtest.prompts import (
    Prompts,
    built_in_prompts,
    cache_prompts,
    made_prompts,
    read_prompts,
)
from ..loadtest.rounds import joined
from ..loadtest.samples import runs_of
from ..loadtest.summary import Outcome, Report, summary_of
from ..loadtest.templates import filled_prompts, template_prompts
from ..loadtest.text import (
    Row,
    change_rows,
    figure_rows,
    head_rows,
    known_spread,
    latency_rows,
    sample_rows,
)
from ..loadtest.trial import Plan, Standing, Trial, setting_of, settled
from ..log import said_once
from ..messages import Message, Request, Sampling
from ..prompting.prompt import read_input
from ..prompting.sampling import layered, with_options
from ..prompting.templates import open_library
from ..prompting.text import decoded
from ..units import format_duration
from .ask import system_of
from .context import Context
from .output_file import AtomicFile
from .prompt import filled_template
from .session import Session
from .status_line import StatusLine
from .tables import Column, cut, table

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
        self._kept: list[Kept] = []
        self._output: AtomicFile | None = None
        self._report: AtomicFile | None = None

    def outcome(self) -> Outcome:
        """Run the test, to its end or until a signal says that it is enough."""
        args, context = self._args, self._context
        session = Session.of(args, context)
        # --timeout is that of each request: the test has no deadline.
        context.set_deadline(None)
        self._open_files()
        self._kept = _baselines(args.baseline, session)
        machine = this_machine()
        plan = plan_of(args, session)
        target = self._target(session, plan)
        for kept in self._kept if not args.compare_anyway else ():
            check_comparable(kept, setting_of(plan, target), machine)
        session.log.note(_announcement(plan, target))
        outcomes: list[Outcome] = []
        while len(outcomes) < args.rounds and not self._interrupted:
            with self._engine(session, plan, target) as engine:
                trial = Trial(engine, target, plan)
                outcomes.append(self._tried(trial, machine, len(outcomes) + 1))
        return joined(outcomes)

    def _tried(self, trial: Trial, machine: Machine, number: int) -> Outcome:
        rounds = self._args.rounds
        which = f"round {number} of {rounds}, " if rounds > 1 else ""
        with ProgressLine(self._context.output) as line:
            try:
                trial.run(lambda s: line.show(s._replace(phase=which + s.phase)))
            except Interrupted as interrupted:
                self._context.take_time()
                self._interrupted = interrupted
                trial.stop()
        return trial.outcome(machine, is_interrupted=self._interrupted is not None)

    def tell(self, outcome: Outcome) -> int:
        """Write the results and return the status, or raise what they mean."""
        args, summary = self._args, summary_of(outcome)
        for name in summary.unseen:
            self._context.log.warning(
                f"no answer showed its {name.removesuffix('_s')}, which --slo bounds:"
                " there is no goodput"
            )
        found: list[Change] = []
        if self._kept and not self._interrupted:
            gate = Gate(args.tolerance, args.confidence)
            old = [run for kept in self._kept for run in runs_of(kept.samples)]
            found = changes(old, runs_of(outcome.samples), gate)
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

    def _target(self, session: Session, plan: Plan) -> Target:
        """Return whom to ask."""
        config, choice = self._configured(session, plan)
        environ = self._context.environ
        with Engine(config, environ=environ, choice=choice, log=session.log) as asked:
            return asked.target()

    @contextmanager
    def _engine(self, session: Session, plan: Plan, target: Target) -> Iterator[Engine]:
        """Lend the engine of one round: a cache that is tested is new each time."""
        config, choice = self._configured(session, plan)
        choice, environ = settled(choice, target), self._context.environ
        log = session.log if self._args.verbose else said_once(session.log)
        with ExitStack() as stack:
            if plan.cache == "test":
                directory = stack.enter_context(
                    tempfile.TemporaryDirectory(
                        prefix="llmwrap-", ignore_cleanup_errors=True
                    )
                )
                config = config._replace(cache=config.cache._replace(path=directory))
            yield stack.enter_context(
                Engine(config, environ=environ, choice=choice, log=log)
            )

    def _configured(self, session: Session, plan: Plan) -> tuple[Config, Choice]:
        choice = session.choice()._replace(
            retries=self._args.retries or 0,
            cache="off" if plan.cache == "off" else "use",
        )
        config = session.config
        streaming = config.streaming._replace(
            max_concurrent_streams=plan.load.most_workers
        )
        return config._replace(streaming=streaming), choice


def _baselines(names: Sequence[str], session: Session) -> list[Kept]:
    """Return the tests to compare with. Raises: ConfigError, UsageError."""
    found: dict[bytes, Kept] = {}
    for name in names:
        content = read_input(name, _LARGEST_BASELINE_BYTES, session.until)
        if same := found.get(content):
            raise UsageError(f"the baselines '{same.name}' and '{name}' are the same")
        found[content] = read_kept(content, name)
    return list(found.values())


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
    summary: Report,
    found: list[Change],
    args: argparse.Namespace,
) -> bytes:
    from ..loadtest.page import page_of
    from ..loadtest.plots import plots_of

    plots = plots_of(outcome)
    page = page_of(outcome, summary, plots, found, has_samples=args.samples)
    return page.encode("utf-8", "replace")


_NOT_KNOWN = "--rounds 3 tells how much runs differ by themselves, which is not known"


def _raise_verdict(summary: Report, found: list[Change]) -> None:
    """Raise TargetMissedError or SomeFailedError where one is due."""
    failed = ", ".join(f"{kind} {n}" for kind, n in summary.errors_by_kind.items())
    failed = f"{summary.errors} of {summary.requests} requests failed: {failed}"
    if broken := worse(found):
        first = ", ".join(_spoken(change) for change in broken)
        also = f"; {failed}" if summary.errors else ""
        is_sure = is_spread_known(found) or {c.name for c in broken} == {ERRORS}
        hint = "" if is_sure else _NOT_KNOWN
        raise TargetMissedError(f"worse than the baseline: {first}{also}", hint=hint)
    if summary.errors:
        raise SomeFailedError(failed)


def _spoken(change: Change) -> str:
    name = f"{change.name.removesuffix('_s')} {change.figure}"
    if change.name == ERRORS:
        return f"{name} {change.old:.1%} to {change.new:.1%}"
    if change.ratio is None:
        return f"{name} by {change.new * 1e3:.1f} ms"
    return f"{name} by {change.ratio - 1:.1%}"


_DRAW_S = 0.2
_BAR = 24


class ProgressLine(StatusLine):
    """How far a load test is."""

    def show(self, progress: Standing) -> None:
        """Draw how far it is, unless that was done a moment ago."""
        now = self._clock()
        if self._is_shown and not self._was_drawn(now, _DRAW_S):
            self._draw(progress_line(progress, self._width), now)


def progress_line(progress: Standing, width: int) -> str:
    """Return a line of at most `width` cells."""
    filled = int(_BAR * progress.ratio)
    done = f"{progress.done}"
    if progress.expected:
        done += f" of {progress.expected}"
    parts = [
        f"{progress.phase} [{'#' * filled}{'.' * (_BAR - filled)}] {done}",
        f"{progress.done / max(progress.elapsed_s, 1e-9):.1f}/s",
        format_duration(progress.elapsed_s),
    ]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return cut("  ".join(parts), width)


def report_text(
    outcome: Outcome,
    summary: Report,
    found: Sequence[Change],
    *,
    has_samples: bool,
) -> str:
    """Return the report of a test."""
    parts = [_pairs(head_rows(outcome, summary)), _columns(latency_rows(summary))]
    parts.append(_pairs(figure_rows(summary)))
    if found:
        parts.append(_columns(change_rows(found)) + f"{known_spread(found)}\n")
    if has_samples:
        parts.append(_columns(sample_rows(outcome.samples)))
    return "\n".join(parts)


def _pairs(rows: Sequence[Row]) -> str:
    return table((Column(""), Column("")), rows)


def _columns(rows: Sequence[Row]) -> str:
    titles, *others = rows
    columns = [Column(title, is_right=bool(n)) for n, title in enumerate(titles)]
    return table(columns, others)


_CONCURRENCY, _REQUESTS = 10, 100
_HIT_RATIO = 0.8


def plan_of(args: argparse.Namespace, session: Session) -> Plan:
    """Return what the options ask for. Raises: UsageError, ConfigError."""
    load = _load(args)
    base = _prompts(args, session)
    prompts, cache = base, args.cache or "off"
    if args.test_cache:
        share = _HIT_RATIO if args.hit_ratio is None else args.hit_ratio
        prompts, cache = cache_prompts(base, share, load.seed), "test"
    sampling = Sampling(
        temperature=args.temperature, max_tokens=args.max_tokens, seed=args.seed
    )
    alias = session.alias()
    below = layered(session.config.defaults.options, alias.options if alias else {})
    request = Request(
        model="",
        messages=_system(args, session),
        sampling=with_options(sampling, dict(args.option), below),
        think=args.think,
    )
    return Plan(load, request, prompts, base, args.slo, cache)


def _load(args: argparse.Namespace) -> Load:
    requests = args.requests
    if requests is None and args.duration is None:
        requests = _REQUESTS
    concurrency = args.concurrency
    if concurrency is None and args.rate is None:
        concurrency = _CONCURRENCY
    return Load(
        concurrency=concurrency,
        requests=requests,
        duration_s=args.duration,
        rate_per_s=args.rate,
        arrival=args.arrival,
        warmup=args.warmup,
        seed=args.seed or 0,
    )


def _prompts(args: argparse.Namespace, session: Session) -> Prompts:
    if args.test_templates:
        library = open_library(session.config, session.context.environ)
        return template_prompts(library)
    if filled := filled_template(args, session):
        return filled_prompts(filled, "")
    if args.prompt_tokens:
        return made_prompts(args.prompt_tokens, args.seed or 0)
    if args.prompts:
        data = session.bytes_of(args.prompts, is_text=False)
        text = decoded(data, args.prompts).text
        return read_prompts(text, args.prompts)
    return built_in_prompts()


def _system(args: argparse.Namespace, session: Session) -> tuple[Message, ...]:
    text = system_of(args, session)
    return (Message("system", text),) if text else ()
