"""`models`: what the backends offer, and getting more of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from ..config import AliasConfig
from ..engine import Choice, Engine
from ..errors import UsageError
from ..messages import Json, Request, Sampling
from ..prompting.sampling import layered, with_options
from ..units import format_size
from ..upkeep.errands import install, patient, pull, pull_target, remove, warm
from ..upkeep.listing import (
    ModelRow,
    completable,
    completable_models,
    hidden,
    model_rows,
    outlined,
    use_of,
)
from ..upkeep.survey import (
    LOOKUP_S,
    BackendReport,
    Candidate,
    all_candidates,
    chosen_candidate,
    failure,
    first_choice,
    limited,
    survey,
    where,
)
from .context import Context
from .parser import (
    Command,
    Parser,
    Verb,
    add_backend,
    add_common,
    add_json,
    add_timeout,
    option_pair,
)
from .session import Session
from .status_line import ProgressBar
from .tables import Column


def _add_unhurried(parser: Parser) -> None:
    add_backend(parser, total="none")


def _add_warm(parser: Parser) -> None:
    parser.add_argument(
        "-o",
        "--option",
        metavar="K=V",
        action="append",
        default=[],
        type=option_pair,
        help="option of the backend that the questions will have, such as num_ctx=8192",
    )
    _add_unhurried(parser)


def _add_install(parser: Parser) -> None:
    parser.add_argument(
        "--sha256", metavar="HEX", default="", help="the checksum the file must have"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a model of the same name"
    )
    add_timeout(parser, total="none")


COMMAND = Command(
    name="models",
    summary="See what the backends offer, and get more of it.",
    verbs=(
        Verb("list", "List the models of the backends.", "", add_backend),
        Verb("show", "Show what a backend says of a model.", "M", add_backend),
        Verb("pull", "Get a model through Ollama.", "M", _add_unhurried),
        Verb(
            "install",
            "Get a GGUF file for the embedded backend.",
            "[URL]",
            _add_install,
        ),
        Verb("warm", "Load a model before it is needed.", "M", _add_warm),
        Verb("rm", "Remove a model.", "M", add_backend),
    ),
)

# A shell waits for it with the cursor standing still; 0.8 s were too little on a busy
# machine.
_NAMES_S = 2.0
_UNHURRIED = ("pull", "install", "warm")
_COLUMNS = (
    Column("NAME"),
    Column("BACKEND"),
    Column("SIZE", is_right=True),
    Column("PARAMETERS", is_right=True),
    Column("QUANTIZATION"),
    Column("CONTEXT", is_right=True),
    Column("LOADED"),
    Column("USE"),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0."""
    verb = args.verb
    has_data = args.json or verb not in (*_UNHURRIED, "rm")
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=has_data)
        if verb in _UNHURRIED and args.timeout is None:
            context.set_deadline(None)
        return _VERBS[verb](args, session, args.operands)


def _list(args: argparse.Namespace, session: Session, operands: Sequence[str]) -> int:
    _, reports = _surveyed(session, _limit_s(session))
    _complain(session, reports)
    rows, aliases = model_rows(reports), session.config.aliases.values()
    for note in hidden(rows, aliases):
        session.log.note(note)
    if args.json:
        documents: list[Json] = [
            {**alias._asdict(), "options": dict(alias.options)} for alias in aliases
        ]
        found = [row.document() for row in rows]
        session.output.json_rows("models", found, aliases=documents)
    else:
        cells = [_cells(row) for row in rows]
        cells += [_alias_cells(alias) for alias in aliases]
        session.output.rows(_COLUMNS, cells)
    return 0


def names(session: Session) -> list[str]:
    """Return the names that `-m` takes, as far as they are known soon."""
    candidates, reports = _surveyed(session, _NAMES_S)
    found = completable_models(reports, first_choice(candidates))
    return [*completable(session.config.aliases), *found]


def _surveyed(
    session: Session, timeout_s: float
) -> tuple[Sequence[Candidate], Sequence[BackendReport]]:
    config, choice = session.config, session.choice()
    environ = session.context.environ
    chosen = chosen_candidate(config, choice, environ)
    candidates = [chosen] if chosen else all_candidates(config, choice, environ)
    with session.engine(is_one_shot=True) as engine:
        reports = survey(engine, candidates, timeout_s=timeout_s, has_version=False)
    return candidates, reports


def _complain(session: Session, reports: Sequence[BackendReport]) -> None:
    """Warn of backends that failed; raise when nothing else is left."""
    error = failure(reports)
    if error is not None:
        raise error
    for report in reports:
        for warning in report.warnings:
            session.log.warning(warning)
        if report.error is not None:
            say = session.log.warning if report.is_configured else session.log.info
            say(str(report.error))
        elif not report.models and report.is_configured:
            session.log.note(f"{where(report.name, report.address)} has no model")


def _alias_cells(alias: AliasConfig) -> list[str]:
    return [alias.name, f"alias of {alias.model}", *[""] * (len(_COLUMNS) - 2)]


def _cells(row: ModelRow) -> list[str]:
    model = row.model
    loaded = {True: "yes", False: "no", None: ""}
    return [
        model.name,
        row.backend,
        "" if model.size_bytes is None else format_size(model.size_bytes),
        model.parameters or "",
        model.quantization or "",
        "" if model.context_tokens is None else str(model.context_tokens),
        loaded[model.is_loaded],
        use_of(model),
    ]


def _show(args: argparse.Namespace, session: Session, operands: Sequence[str]) -> int:
    with session.engine(is_one_shot=True) as engine:
        named = operands[0]
        target = engine.target(named)
        backend = target.backend
        with engine.advising(target.config, named=named):
            details = backend.model(target.model, timeout_s=_limit_s(session))
    if args.json:
        row: dict[str, Json] = {"name": target.model, "backend": backend.name}
        session.output.json_rows("models", [{**row, "details": details}])
        return 0
    rows = {"name": target.model, "backend": where(backend.name, backend.address)}
    rows.update((name, text) for name, text in outlined(details) if name not in rows)
    columns = (Column(""), Column(""))
    session.output.rows(columns, list(rows.items()))
    return 0


def _pull(args: argparse.Namespace, session: Session, operands: Sequence[str]) -> int:
    context = session.context
    choice = patient(session.choice()._replace(model=operands[0]))
    candidate, name = pull_target(session.config, choice, context.environ)
    with (
        _engine(session, choice) as engine,
        context.interruptible(),
        ProgressBar(session.output) as bar,
    ):
        backend = engine.backend(
            candidate.backend, is_first_choice=candidate.is_first_choice
        )
        with (
            engine.advising(candidate.backend),
            closing(pull(backend, name, context.stdin.until)) as steps,
        ):
            for progress in steps:
                bar.show(progress)
        engine.learn_weights(candidate.backend, name)
    return _done(args, session, f"pulled '{name}' to", name, backend.name)


def _warm(args: argparse.Namespace, session: Session, operands: Sequence[str]) -> int:
    context = session.context
    choice = patient(session.choice()._replace(model=operands[0]))
    with _engine(session, choice) as engine, context.interruptible():
        target = engine.target()
        name = target.model
        alias, below = engine.selector().alias(), session.config.defaults.options
        below = layered(below, alias.options if alias else {})
        sampling = with_options(Sampling(), dict(args.option), below)
        request = Request(name, (), sampling)
        with engine.advising(target.config, request):
            stays = warm(target.backend, request, context.stdin.until)
    if not stays:
        session.log.warning(
            f"'{name}' was loaded on {target.backend.name} and is gone already: no room"
            " for it, or a keep_alive that is too short"
        )
    return _done(args, session, f"loaded '{name}' on", name, target.backend.name)


def _install(
    args: argparse.Namespace, session: Session, operands: Sequence[str]
) -> int:
    context = session.context
    with context.interruptible(), ProgressBar(session.output) as bar:
        installed = install(
            operands[0] if operands else "",
            context.environ,
            bar.show,
            sha256=args.sha256,
            is_replaced=args.force,
            until=context.stdin.until,
        )
    session.log.note(f"'{installed.name}' is installed as '{installed.path}'")
    if args.json:
        row = {"name": installed.name, "backend": "embedded", "path": installed.path}
        session.output.json_rows("models", [row])
    return 0


def _rm(args: argparse.Namespace, session: Session, operands: Sequence[str]) -> int:
    name = operands[0]
    if alias := session.config.aliases.get(name):
        raise UsageError(
            f"'{name}' is an alias of '{alias.model}'", hint="name the model itself"
        )
    with session.engine(is_one_shot=True) as engine:
        target = engine.target(name)
        with engine.advising(target.config):
            remove(target.backend, target.model, timeout_s=_limit_s(session))
    backend = target.backend.name
    return _done(args, session, f"removed '{target.model}' from", target.model, backend)


_Verb = Callable[[argparse.Namespace, Session, Sequence[str]], int]
_VERBS: Mapping[str, _Verb] = {
    "list": _list,
    "show": _show,
    "pull": _pull,
    "install": _install,
    "warm": _warm,
    "rm": _rm,
}


def _engine(session: Session, choice: Choice) -> Engine:
    return Engine(
        session.config,
        environ=session.context.environ,
        choice=choice,
        log=session.log,
        until=session.context.stdin.until,
        is_one_shot=True,
    )


def _limit_s(session: Session) -> float:
    return limited(LOOKUP_S, session.context.stdin.until)


def _done(
    args: argparse.Namespace, session: Session, what: str, name: str, backend: str
) -> int:
    session.log.note(f"{what} {backend}")
    if args.json:
        session.output.json_rows("models", [{"name": name, "backend": backend}])
    return 0
