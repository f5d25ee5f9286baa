"""`batch`: many prompts, each answered once, to be gone on with after any end."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .context import Context
from .extract import add_extract
from .options import (
    add_cache,
    add_question,
    add_sampling,
    add_schema,
)
from .parser import (
    Command,
    Parser,
    add_backend,
    add_common,
    count,
    number,
    positive_count,
    positive_number,
)
from .prompt import add_template, add_variables

COMMAND = Command(
    name="batch",
    summary="Ask many questions and write each answer to OUTPUT once. --resume goes on"
    " where a batch ended, whatever ended it. INPUT holds lines, JSON objects, or"
    " a table; TEXT stands before each item, or is filled with its columns.",
    operands="[INPUT] [TEXT...]",
)

FORMATS = ("lines", "jsonl", "csv", "tsv", "openai")


def add_arguments(parser: Parser) -> None:
    """Add the options of `batch`."""
    _add_input(parser)
    _add_output(parser)
    _add_pace(parser)
    question = parser.add_argument_group("question")
    add_question(question)
    add_template(question)
    add_variables(question)
    add_sampling(parser)
    add_schema(parser)
    parser.add_argument(
        "--no-stream",
        action="store_false",
        default=True,
        dest="stream",
        help="ask the server for each answer in one piece",
    )
    add_cache(parser)
    add_backend(parser, whole="each item", has_several=True)
    add_common(parser)


def _add_input(parser: Parser) -> None:
    group = parser.add_argument_group("input")
    group.add_argument(
        "--input-format",
        choices=FORMATS,
        help="what INPUT is, where its name does not tell (.txt, .jsonl, .csv, .tsv)",
    )
    group.add_argument(
        "--files-from",
        metavar="FILE",
        help="each file that is named in FILE (- for stdin) is an item; the names are"
        " parted by line ends or NULs",
    )
    group.add_argument(
        "--limit", metavar="N", type=count, help="ask at most N items in this run"
    )


def _add_output(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="where answers go, a line each: .csv and .tsv get the columns of the"
        " input too; - is stdout",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on: skip what OUTPUT holds; with --refresh, ask anew what was changed",
    )
    group.add_argument(
        "--retry-failed",
        action="store_true",
        help="go on, and ask again what failed",
    )
    add_extract(group)
    group.add_argument(
        "--in-order",
        action="store_true",
        help="write answers in the order of the input, as tables always are",
    )
    group.add_argument(
        "--column",
        metavar="NAME",
        default="answer",
        help="column of the answer in a table (answer)",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print the requests that would be sent, a line each, and ask nothing",
    )


def _add_pace(parser: Parser) -> None:
    group = parser.add_argument_group("pace")
    group.add_argument(
        "--concurrency",
        metavar="N",
        type=_concurrency,
        default=4,
        help="how many are asked at once (4), for each server or worker; auto: as many"
        " as it has slots or threads, where it tells",
    )
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="have the workers of a Dask cluster ask, each by its own configuration:"
        " tcp://HOST:PORT or tls://HOST:PORT of its scheduler",
    )
    group.add_argument(
        "--rate",
        metavar="R",
        type=positive_number,
        help="begin at most R items a second",
    )
    group.add_argument(
        "--max-failures",
        metavar="N",
        type=_bound,
        help="stop once more than N items, or N%% of all, failed",
    )


_MOST_AT_ONCE = 1024


def _concurrency(text: str) -> int | str:
    if text == "auto":
        return text
    wanted = positive_count(text)
    if wanted > _MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"at most {_MOST_AT_ONCE} are asked at once")
    return wanted


def _bound(text: str) -> tuple[float, bool]:
    is_share = text.endswith("%")
    found = number(text.removesuffix("%"))
    if found < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is less than nothing")
    return (found / 100 if is_share else found), is_share


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask everything that is left; return 0, or raise what became of it."""
    if args.files_from is None and not args.operands:
        raise UsageError("there is no INPUT")
    if args.output is None and not args.dry_run:
        raise UsageError("there is no OUTPUT", hint="-O FILE, or -O - for stdout")
    to_stdout = args.output == "-"
    if to_stdout and (args.resume or args.retry_failed):
        raise UsageError("stdout holds nothing to go on with", hint="-O FILE does")
    if args.cluster is not None:
        _check_cluster(args)
    # Late: files, threads and tables are nothing that --help needs.
    from .batch_run import BatchRun

    with context.interruptible():
        return BatchRun(args, context).run()


def _check_cluster(args: argparse.Namespace) -> None:
    """Raise UsageError for what only a worker can know, or what is asked twice."""
    if args.dry_run:
        raise UsageError(
            "--dry-run shows no requests of a cluster",
            hint="each worker makes them by its own configuration",
        )
    if args.base_url is not None or len(args.backend or ()) > 1:
        raise UsageError(
            "each worker of a cluster has one backend, of its own configuration",
            hint="-b NAME says which",
        )
