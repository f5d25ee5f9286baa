"""Start the programs: `python -m llmwrap`, entry points and bin/."""

import os
import sys

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from typing import NoReturn

_GC_THRESHOLD = 100_000
"""How many more objects make it worth while to look for garbage. With Python's 700 all
that is imported is looked through again and again, in vain, for a twelfth of the time
of a one-shot; and what llmwrap drops is seldom garbage that has to be looked for."""


def main() -> "NoReturn":
    """Run the program and leave with its exit status.

    The version is answered before anything else is imported. Leaving is immediate:
    taking down an interpreter that has loaded requests costs a fifth of a short run,
    and nothing waits for it, as all output is written unbuffered.
    """
    if sys.argv[1:] in (["--version"], ["-V"]):
        from . import __version__

        try:
            os.write(1, f"llmwrap {__version__}\n".encode())
            os._exit(0)
        except OSError:
            pass  # The ordinary way says what is wrong with stdout.
    import _signal  # type: ignore[import-not-found]  # typeshed has only signal

    # Ctrl-C during the imports ends the program as it ends any other, not with a
    # traceback; one that came ignored (nohup) stays so. Not the module signal: it
    # needs enum, and this line would cost as much as all of --version.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    invocation = None
    if os.environ.get("LLMWRAP_DIRECT") != "0":
        from .direct import Invocation

        invocation = Invocation(sys.argv[1:], os.environ)
        if invocation.answer() and not invocation.unwritten:
            os._exit(0)
    import gc

    gc.set_threshold(_GC_THRESHOLD)
    from .cli.main import main_of_process

    os._exit(main_of_process(invocation))


def load_test() -> "NoReturn":
    """Run the load tester, as `llmwrap loadtest` does."""
    sys.argv.insert(1, "loadtest")
    main()


if __name__ == "__main__":
    main()
