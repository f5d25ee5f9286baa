"""`doctor`: what is wrong with the set-up, and what to do about it."""

from __future__ import annotations

import argparse
import os

from ..errors import ConfigError, LLMWrapError
from ..messages import Message, Request, Sampling
from ..prompting.sampling import with_options
from ..upkeep.checks import Finding
from ..upkeep.diagnosis import (
    Diagnosis,
    Surroundings,
    diagnose,
    diagnose_without_config,
)
from .context import Context
from .output import error_fields
from .parser import Command, Parser, add_backend, add_common, add_json
from .session import Session, adopt_looks, load_config, make_log
from .tables import Column

COMMAND = Command(
    name="doctor",
    summary="Say what is wrong with the set-up and what to do. The exit status is what"
    " a question would end with now.",
)

_COLUMNS = (Column(""), Column(""), Column(""))


def add_arguments(parser: Parser) -> None:
    """Add the options of `doctor`."""
    add_json(parser)
    group = parser.add_argument_group("doctor")
    group.add_argument(
        "-m", "--model", metavar="M", help="the model to look up, as 'ask' takes it"
    )
    group.add_argument(
        "--ask",
        action="store_true",
        help="ask a question, for one token: what only that can tell",
    )
    add_backend(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Print the findings; return 0, or raise what `ask` would end with."""
    diagnosis = _diagnosis(args, context)
    if args.json:
        error = diagnosis.error
        context.output.json_rows(
            "doctor",
            [dict(finding._asdict()) for finding in diagnosis.findings],
            error=error_fields(error) if error else None,
        )
    else:
        rows = [_cells(finding) for finding in diagnosis.findings]
        context.output.rows(_COLUMNS, rows)
    if diagnosis.error is not None:
        raise diagnosis.error
    return 0


def _diagnosis(args: argparse.Namespace, context: Context) -> Diagnosis:
    directory = _working_directory()
    try:
        config = load_config(args, context)
        adopt_looks(context, config)
    except ConfigError as error:
        return diagnose_without_config(error, context.environ, directory)
    # Not Session.of: the warnings of the configuration are among the findings.
    log = make_log(args, context, config, stdout_is_data=True)
    context.log = log
    session = Session(args, context, config, log)
    try:
        request = _question(args, session)
    except LLMWrapError as error:
        return diagnose_without_config(error, context.environ, directory)
    return diagnose(
        config,
        Surroundings(
            choice=session.choice(),
            environ=context.environ,
            directory=directory,
            until=context.stdin.until,
            request=request,
            is_asking=args.ask,
        ),
    )


def _question(args: argparse.Namespace, session: Session) -> Request:
    """Return a question as `ask` would put it, for one token.

    Raises: as `ask` would, for what no question can be made of.
    """
    from .ask import system_of  # late: help and manual need none of it

    system = system_of(args, session)
    messages = [Message("system", system)] if system else []
    below = session.layers().options
    sampling = with_options(Sampling(max_tokens=1), {}, below)
    return Request("", (*messages, Message("user", "Hi")), sampling)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.devnull  # It is gone, so there is no file in it.


def _cells(finding: Finding) -> list[str]:
    what = "; ".join(part for part in (finding.message, finding.hint) if part)
    return [finding.severity, finding.subject, what]
