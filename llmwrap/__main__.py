"""Start the program: `python -m llmwrap`, and what bin/ calls. Floor F7."""

import sys


def main() -> int:
    """Run the program and return its exit status.

    The version is answered before anything else is imported.
    """
    if sys.argv[1:] in (["--version"], ["-V"]):
        from . import __version__

        sys.stdout.write(f"llmwrap {__version__}\n")
        return 0
    import _signal  # type: ignore[import-not-found]  # typeshed has only signal

    # Ctrl-C during the imports ends the program as it ends any other, not with a
    # traceback; one that came ignored (nohup) stays so. Not the module signal: it
    # needs enum, and this line would cost as much as all of --version.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from .cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
