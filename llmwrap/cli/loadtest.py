"""`loadtest`: what a server does under load, and whether it became worse."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .context import Context
from .options import (
    add_cache_use,
    add_drawing,
    add_model_and_system,
    add_thinking,
)
from .parser import (
    Command,
    Parser,
    add_backend,
    add_common,
    add_json,
    count,
    duration,
    number,
    positive_count,
    positive_duration,
    positive_number,
)
from .prompt import add_template, add_variables

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="loadtest",
    summary="Ask a model many times and tell how it did under load. Each request goes"
    " out by itself and past the cache; none counts in the metrics.",
)


def run(args: argparse.Namespace, context: Context) -> int:
    """Test; return 0, or raise what the outcome means."""
    if args.operands:
        raise UsageError(
            f"'loadtest' takes no '{args.operands[0]}'",
            hint="--prompts FILE reads prompts",
        )
    check_options(args)
    # Late: statistics, tempfile and the rest cost 30 ms, which every --help would pay.
    from .loadtest_run import tested

    return tested(args, context)


_LATENCIES = ("ttft", "tpot", "e2e", "queued")


def add_arguments(parser: Parser) -> None:
    """Add the options of `loadtest`."""
    _add_load(parser)
    _add_prompts(parser)
    _add_sampling(parser)
    _add_results(parser)
    _add_gate(parser)
    _add_cache(parser)
    add_backend(parser, whole="each request", retries="0")
    add_common(parser)


def check_options(args: argparse.Namespace) -> None:
    """Check what no single option can. Raises: UsageError."""
    if args.rate and not (args.duration or args.requests):
        raise UsageError("--rate needs to know its end", hint="add --duration")
    if args.hit_ratio is not None and not args.test_cache:
        raise UsageError("--hit-ratio is for --test-cache")
    sources = ("prompts", "prompt_tokens", "test_templates", "template")
    given = [f"--{name.replace('_', '-')}" for name in sources if getattr(args, name)]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} both say what is asked")


def _add_load(parser: Parser) -> None:
    group = parser.add_argument_group("load")
    group.add_argument(
        "--concurrency",
        metavar="N",
        type=positive_count,
        help="requests under way at once (default: 10); with --rate, the most",
    )
    group.add_argument(
        "--requests",
        metavar="N",
        type=positive_count,
        help="requests in all (default: 100, unless --duration is given)",
    )
    group.add_argument(
        "--rate",
        metavar="R",
        type=positive_number,
        help="requests a second, sent when they are due whatever the server does",
    )
    group.add_argument(
        "--duration", metavar="D", type=positive_duration, help="how long to test"
    )
    group.add_argument(
        "--rounds",
        metavar="N",
        type=positive_count,
        default=1,
        help="test N times, one after the other, so that it is known how much runs"
        " differ by themselves (default: 1)",
    )
    group.add_argument(
        "--arrival",
        choices=("poisson", "constant"),
        default="poisson",
        help="how requests of --rate are spread: as by many independent users, or"
        " evenly",
    )
    group.add_argument(
        "--warmup",
        metavar="N",
        type=count,
        help="requests before those that count; at least the concurrency (default),"
        " 0 for none",
    )


def _add_prompts(parser: Parser) -> None:
    group = parser.add_argument_group("prompts")
    add_model_and_system(group)
    group.add_argument(
        "--prompts",
        metavar="FILE",
        help="a prompt a line, or JSON objects with prompt or messages; - is stdin"
        " (default: built-in ones of several lengths)",
    )
    group.add_argument(
        "--prompt-tokens",
        metavar="N",
        type=positive_count,
        help="make prompts of about N tokens, each another one",
    )
    add_template(group)
    add_variables(group)
    group.add_argument(
        "--test-templates",
        action="store_true",
        help="ask the templates of the library in turn, with variables made up; they"
        " are rendered at each request",
    )
    group.add_argument(
        "--test-cache",
        action="store_true",
        help="test the response cache, in a directory of its own: some prompts come"
        " again",
    )
    group.add_argument(
        "--hit-ratio",
        metavar="SHARE",
        type=ratio,
        help="share of the prompts of --test-cache that come again (default: 80%%)",
    )


def _add_sampling(parser: Parser) -> None:
    group = parser.add_argument_group("sampling")
    add_drawing(
        group,
        seed="seed of the randomness: the model's, and that of arrivals and prompts",
    )
    add_thinking(group, think="ask a reasoning model to reason")


def _add_results(parser: Parser) -> None:
    group = parser.add_argument_group("results")
    group.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="write the results to FILE as JSON; - is stdout",
    )
    group.add_argument(
        "--report",
        metavar="FILE",
        help="write a report with plots to FILE: HTML that needs nothing else",
    )
    add_json(group)
    group.add_argument(
        "--samples", action="store_true", help="show every request in the report too"
    )
    group.add_argument(
        "--slo",
        metavar="L=D,...",
        type=objectives,
        default={},
        help="what a good answer is at most, such as ttft=200ms,e2e=5s; of ttft,"
        " tpot, e2e, queued: the share of good ones is the goodput",
    )


def _add_gate(parser: Parser) -> None:
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--baseline",
        metavar="FILE",
        action="append",
        default=[],
        help="compare with the results in FILE: status 13 when it became worse;"
        " several tell how much runs differ by themselves",
    )
    group.add_argument(
        "--tolerance",
        metavar="SHARE",
        type=ratio,
        default=0.10,
        help="how much worse is still good (default: 10%%)",
    )
    group.add_argument(
        "--confidence",
        metavar="SHARE",
        type=ratio,
        default=0.99,
        help="how sure to be that it is not chance (default: 99%%)",
    )
    group.add_argument(
        "--compare-anyway",
        action="store_true",
        help="compare with a baseline of another machine, model or load too",
    )


def _add_cache(parser: Parser) -> None:
    group = parser.add_argument_group("cache")
    add_cache_use(group, off="leave the response cache alone (default)")


def ratio(text: str) -> float:
    """Return a share, written `10%` or `0.1`, from 0 up to 1; for argparse."""
    value = number(text[:-1]) / 100 if text.endswith("%") else number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share such as 10% or 0.1")
    return value


def objectives(text: str) -> dict[str, float]:
    """Return the seconds each latency may take at most, by field; for argparse."""
    found = {}
    for part in text.split(","):
        name, equals, most = part.strip().partition("=")
        if not equals or name not in _LATENCIES:
            raise argparse.ArgumentTypeError(
                f"'{part.strip()}' is no LATENCY=DURATION of {', '.join(_LATENCIES)}"
            )
        found[f"{name}_s"] = duration(most)
    return found
