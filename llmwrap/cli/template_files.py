"""Templates of one's own: creating, editing and bringing them in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from ..errors import ConfigError, UsageError
from ..messages import Json
from ..prompting.prompt import read_input
from ..templating import Library, Template
from ..templating.stored import HANDLEBARS, LARGEST_BYTES, text_of
from ..templating.writing import written
from .editor import edited
from .session import Session

SKELETON = """+++
description = ""
tags = []

[variables.input]
description = "what is asked, and what is piped in"
type = "string"
+++
{{input}}
"""
"""What a new template begins as in the editor."""

_FABRIC = "system.md"  # fabric's patterns: NAME/system.md is a system prompt


def create(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    """Keep a file, or what is piped in or written in the editor, as a template."""
    name, *files = operands
    library.check_absent(name, is_replaced=args.force)
    if files or session.reads_stdin:
        rows = [_kept(args, session, library, name, (files or ["-"])[0])]
    else:
        path = _edited(session, library, name, SKELETON)
        rows = [] if path is None else [{"name": name, "path": path}]
    if args.json:
        session.output.json_rows("templates", rows)
    return 0


def bring_in(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    """Keep files as templates of their names, Handlebars ones too."""
    rows = []
    for file in operands:
        name = os.path.splitext(os.path.basename(file))[0]
        if os.path.basename(file) == _FABRIC:
            name = os.path.basename(os.path.dirname(os.path.abspath(file)))
        rows.append(_kept(args, session, library, name, file))
    if args.json:
        session.output.json_rows("templates", rows)
    return 0


def edit(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    """Open a template in the editor; one that is not ours to change is copied."""
    name = operands[0]
    try:
        text = library.text(name)
    except ConfigError as error:
        if error.hint.startswith("run "):  # there is none like it
            error.hint = f"'llmwrap template create {name}' begins one"
        raise
    path = _edited(session, library, name, text)
    if args.json:
        rows: list[dict[str, Json]] = [{"name": name, "path": path}] if path else []
        session.output.json_rows("templates", rows)
    return 0


def _kept(
    args: argparse.Namespace, session: Session, library: Library, name: str, file: str
) -> dict[str, Json]:
    if file == "-":
        text = session.text_of("-")
        if not text:
            raise UsageError(
                f"nothing is piped in to make template '{name}' of",
                hint="name a file behind it",
            )
    else:
        text = text_of(read_input(file, LARGEST_BYTES, session.until), file)
    if os.path.basename(file) == _FABRIC:
        text = written(Template(name, "{{input}}\n", system=text.strip()))
    path = library.create(
        name,
        text,
        is_handlebars=file.endswith(HANDLEBARS),
        is_replaced=args.force,
    )
    session.log.note(f"wrote '{path}'")
    return {"name": name, "path": path}


def _edited(session: Session, library: Library, name: str, text: str) -> str | None:
    """Return where the edited text was written, None when nothing was changed.

    It is edited in a file beside the templates. Raises: ConfigError, LimitError,
    OutputError.
    """
    directory = os.path.dirname(library.path_for(name))
    draft = os.path.join(directory, f".{name}.draft")

    def store(after: bytes) -> str:
        return library.create(name, text_of(after, draft), is_replaced=True)

    return edited(session.context, session.log, draft, text, store)


VERBS = {"create": create, "edit": edit, "import": bring_in}
