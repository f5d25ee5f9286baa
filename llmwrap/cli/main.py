"""The program: a command line in, an exit status out.

The one place where errors become exit statuses and lines on stderr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import __version__
from ..errors import ExhaustedError, Interrupted, LLMWrapError, UsageError
from .commands import load_command, overview, page, parsed
from .context import Context, arguments
from .parser import check_operands, verb_and_operands
from .words import BUILT, Words, take_apart

TYPE_CHECKING = False  # who calls this has imported them
if TYPE_CHECKING:
    import argparse

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
    """Write the one line that says what failed, below its usage if it has one."""
    if isinstance(error, UsageError) and error.usage:
        context.output.say("".join(f"usage: {line}\n" for line in error.usage))
    line = " ".join(str(error).split())
    context.output.note("error", line)
    context.log.error(line, error__type=error.kind, exit_status=error.exit_status)


def _run(words: Words, context: Context) -> int:
    module = load_command(words.command)
    command = module.COMMAND
    verb, operands = verb_and_operands(command, words.operands)
    # Operands are taken off already: argparse cannot mix them with options.
    args = parsed(module, verb, words.options)
    _adopt(args, context)
    if args.help:
        context.output.text(_help(words))
        return 0
    if args.version:
        context.output.line(f"llmwrap {__version__}")
        return 0
    args.verb = verb.name if verb else ""
    args.typo = words.typo
    try:
        args.operands = check_operands(command, verb, operands)
        return module.run(args, context)
    except UsageError as error:
        if not error.hint:  # it says what is wrong, and the page what is right
            error.usage = command.usage(verb).split("\n")
            error.hint = f"see 'llmwrap {command.words(verb)} --help'"
        raise


def _adopt(args: argparse.Namespace, context: Context) -> None:
    context.output.color = args.color
    context.output.is_quiet = args.quiet
    context.output.is_plain = args.plain
    context.is_debugging = context.is_debugging or args.verbose > 1


def _help(words: Words) -> str:
    text = page(
        [words.command, *words.operands[: 1 if BUILT.get(words.command) else 0]]
    )
    return text if words.is_named else f"{overview()}\n{text}"
