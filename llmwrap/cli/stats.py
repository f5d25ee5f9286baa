"""`stats`: the metrics of all runs, and whether the targets are met."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .context import Context
from .parser import Command, Parser, add_common, add_json, duration
from .session import Session

COMMAND = Command(
    name="stats",
    summary="Show the metrics of all runs on this machine. And whether the performance"
    " targets are met.",
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `stats`."""
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=duration,
        help="only runs that are not older, such as 24h or 7d",
    )
    parser.add_argument("-m", "--model", metavar="M", help="only runs of a model")
    parser.add_argument(
        "-b", "--backend", metavar="NAME", help="only runs of a backend"
    )
    parser.add_argument(
        "-t", "--template", metavar="TEMPLATE", help="only runs with a template"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="end with status 13 when a performance target is missed",
    )
    parser.add_argument(
        "--export",
        metavar="FILE",
        help="write them to FILE instead, complete or not at all; by its name as JSON"
        " (.json), CSV (.csv) or text for Prometheus (.prom)",
    )
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Show what was counted; return 0, or 13 through TargetMissedError."""
    has_data = args.json or args.export is None
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=has_data)
        # Late: the libraries of histograms are nothing that help and manual need.
        from ..upkeep.statistics import EXPORTED, Wanted, exporter, read_statistics

        export = exporter(args.export) if args.export is not None else None
        if args.export is not None and export is None:
            raise UsageError(
                f"'{args.export}' does not end in {', '.join(EXPORTED)}",
                hint="the end of the name says what is written",
            )
        statistics = read_statistics(
            context.environ,
            args.since,
            Wanted(args.model, args.backend, args.template),
        )
        if export:
            from .output_file import AtomicFile

            named = session.config.backends
            statistics = statistics._replace(
                kinds={name: backend.kind for name, backend in named.items()}
            )
            with AtomicFile(args.export) as file:
                file.write(export(statistics).encode())
                file.commit(lambda: None)
    if args.json:
        context.output.json(statistics.document())
    elif not export:
        from .stats_tables import stats_text

        context.output.text(stats_text(statistics))
    if args.check:
        statistics.check()  # JSON has said it, and needs no second object
    return 0
