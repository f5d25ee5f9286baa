"""`loadtest`: what a server does under load, and whether it became worse."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .context import Context
from .loadtest_options import add_arguments, check_options
from .parser import Command

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="loadtest",
    summary="Ask a model many times and tell how it did under load. Each request goes"
    " out by itself and past the cache; none counts in the metrics.",
    usage="llmwrap loadtest [--concurrency N] [--requests N | --duration D]"
    " [--rate R] [OPTION...]",
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
