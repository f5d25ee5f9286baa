"""The program: a command line in, an exit status out.

The one place where errors become exit statuses and lines on stderr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import __version__
from ..errors import ExhaustedError, Interrupted, LLMWrapError, UsageError
from .commands import load_command, overview, parser_of
from .context import Context, arguments
from .parser import Parser
from .words import PLANNED, Words, take_apart

TYPE_CHECKING = False  # who calls this has imported it
if TYPE_CHECKING:
    from ..direct import Invocation


def main(argv: Sequence[str], context: Context) -> int:
    """Run one command line and return its exit status."""
    if "__complete" in argv[:2]:  # the second word of the load tester's own name
        from .complete import complete  # late: only shells ask for it

        words = argv[argv.index("__complete") + 1 :]
        return _reported(context, lambda: complete(words, context))
    return _reported(context, lambda: _run(take_apart(argv), context))


def main_of_process(invocation: Invocation | None) -> int:
    """Run the command line of the process and return its exit status.

    What direct mode could not write of an answer is all there is to do, if there is.
    """
    context = Context.of_process(invocation)
    if invocation and (rest := invocation.unwritten):
        context.set_deadline(context.started_at + invocation.timeout_s)
        return _reported(context, lambda: _written(rest, context))
    return main(arguments(), context)


def _written(data: bytes, context: Context) -> int:
    context.output.raw(data)
    return 0


def _reported(context: Context, run: Callable[[], int]) -> int:
    try:
        try:
            return run()
        finally:
            context.output.close()
    except Interrupted as interrupted:
        return context.die(interrupted.signum)
    except Exception as error:
        if context.signum is not None:
            # Interrupted became something else on its way, as it may in an import.
            return context.die(context.signum)
        from ..config.api_key import without_secrets  # late: seldom needed

        if isinstance(error, MemoryError):
            error = ExhaustedError("there is no memory left", hint=_MEMORY_HINT)
        if isinstance(error, LLMWrapError):
            report(error, context)
            return error.exit_status
        said = without_secrets(repr(error), context.environ)
        report(LLMWrapError(f"a bug in llmwrap: {said}", hint=_BUG_HINT), context)
        if context.is_debugging:
            import traceback

            trace = traceback.format_exc()
            context.output.say(without_secrets(trace, context.environ))
        return LLMWrapError.exit_status


_MEMORY_HINT = "a limit (ulimit -v, a cgroup) or other programs take it"
_BUG_HINT = "run it with LLMWRAP_DEBUG=1 and report what it prints"


def report(error: LLMWrapError, context: Context) -> None:
    """Write the one line that says what failed."""
    if isinstance(error, UsageError) and error.hint.startswith("usage: "):
        context.output.say(f"{error.hint}\n")
        error = UsageError(error.message, hint="'llmwrap --help' tells more")
    line = " ".join(str(error).split())
    context.output.note("error", line)
    context.log.error(line, error__type=error.kind, exit_status=error.exit_status)


def _run(words: Words, context: Context) -> int:
    if words.command in PLANNED:
        raise UsageError(
            f"'{words.command}' is not built yet",
            hint=f"to ask about the word: llmwrap ask {words.command}",
        )
    module = load_command(words.command)
    parser = parser_of(module)
    # Operands are taken off already: argparse cannot mix them with options.
    args = parser.parse_args(words.options)
    args.given = parser.given(args)
    args.operands = words.operands
    args.typo = words.typo
    context.output.color = args.color
    context.output.is_quiet = args.quiet
    context.output.is_plain = args.plain
    context.is_debugging = context.is_debugging or args.verbose > 1
    if args.help:
        context.output.text(_help(words, parser))
        return 0
    if args.version:
        context.output.line(f"llmwrap {__version__}")
        return 0
    return module.run(args, context)


def _help(words: Words, parser: Parser) -> str:
    text = parser.format_help()
    if words.is_named:
        return text
    return f"{overview()}\n{text}"
