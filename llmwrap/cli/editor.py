"""A text in the user's editor: a draft that stays when what was written is unusable."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import ConfigError, LLMWrapError, OutputError
from ..files import write_whole
from ..log import Log
from .context import Context


def edited(
    context: Context, log: Log, draft: str, text: str, store: Callable[[bytes], str]
) -> str | None:
    """Let a text be edited in a file; return where `store` put what came of it.

    None when nothing was changed. The draft stays when `store` refuses it, and is
    gone on with the next time. Raises: ConfigError, what `store` raises.
    """
    is_kept = os.path.lexists(draft)
    if is_kept:
        log.note(f"going on with '{draft}'")
    else:
        write_whole(draft, text.encode(), is_replaced=False)
    try:
        _run_editor(context, draft)
    except ConfigError:
        if not is_kept:
            os.unlink(draft)
        raise
    after = _content(draft)
    if after == text.encode():
        log.note("nothing was changed")
        os.unlink(draft)
        return None
    try:
        path = store(after)
    except LLMWrapError as error:
        hint = f"your text is kept in '{draft}', and the same command goes on with it"
        error.hint = f"{error.hint}; {hint}" if error.hint else hint
        raise
    os.unlink(draft)
    log.note(f"wrote '{path}'")
    return path


def _content(draft: str) -> bytes:
    try:
        with open(draft, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ConfigError(
            f"the editor removed the draft '{draft}'", hint="nothing was changed"
        ) from None
    except OSError as error:
        raise OutputError(f"cannot read '{draft}': {error.strerror}") from error


def _run_editor(context: Context, path: str) -> None:
    import subprocess  # late: only an editor needs it

    environ = context.environ
    editor = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    # Through a shell, as git does it: the variable may hold options and quotes.
    command = ["/bin/sh", "-c", f'{editor} "$@"', editor, path]
    process = subprocess.Popen(command, env=dict(environ))
    with context.uninterrupted():
        status = process.wait()
    if status:
        raise ConfigError(
            f"the editor '{editor}' ended with status {status}",
            hint="nothing was changed; VISUAL or EDITOR names another one",
        )
