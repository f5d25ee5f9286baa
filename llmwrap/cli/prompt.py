"""What is asked: words, files, stdin, and the template that they fill; its options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..prompting.carried import carried
from ..prompting.prompt import joined_prompt
from .parser import clean
from .session import Session

if TYPE_CHECKING:
    from ..messages import Json
    from ..prompting.templates import Filled
    from ..templating import Library
    from ..templating.values import Assignment


def add_template(group: argparse._ArgumentGroup) -> None:
    """Add the option that names a template."""
    group.add_argument(
        "-t",
        "--template",
        metavar="TEMPLATE",
        help="render a template into the prompt; the prompt and what is piped in are"
        " its variable input, or follow it",
    )


def add_variables(group: argparse._ActionsContainer) -> None:
    """Add the options that give a template its variables."""
    group.add_argument(
        "--vars",
        metavar="JSON",
        action="append",
        default=[],
        help="variables of the template, a JSON object; @FILE reads a file, - stdin;"
        " repeatable",
    )
    group.add_argument(
        "--var",
        metavar="K=V",
        action="append",
        default=[],
        type=_assignment,
        help="one variable: a string, or of the type the template declares; K:=JSON"
        " is JSON; repeatable, and over --vars",
    )
    group.add_argument(
        "--lax",
        action="store_true",
        help="let variables be missing, which makes them empty, and superfluous",
    )


def filled_template(args: argparse.Namespace, session: Session) -> Filled | None:
    """Return the template that `-t` names with its variables, None without `-t`.

    Reads stdin if `--vars -` says so. Raises: UsageError, ConfigError, LimitError.
    """
    if args.template is None:
        if args.vars or args.var or args.lax:
            raise UsageError("variables are given and no template", hint="-t names one")
        return None
    from ..prompting.templates import open_library

    library = open_library(session.config, session.context.environ)
    return filled(args.template, args, session, library)


def filled(
    name: str, args: argparse.Namespace, session: Session, library: Library
) -> Filled:
    """Return a template with its variables. Raises: as `filled_template`."""
    # Late, as above: most who ask have no template.
    from ..prompting.templates import Filled
    from ..templating.values import assigned, parse_variables

    template = library.prepared(name)
    variables: dict[str, Json] = {}
    for given in args.vars:
        text, where = given, "--vars"
        if given == "-":
            text, where = session.text_of("-"), "stdin"
        elif given.startswith("@"):
            text, where = session.text_of(given[1:]), f"'{given[1:]}'"
        variables |= parse_variables(text, where)
    variables |= assigned(args.var, template.declared)
    has_model = vars(args).get("model") is not None
    aliases = session.config.aliases
    brought = carried(library.get(name), aliases, has_model=has_model)
    return Filled(template, variables, args.lax, brought)


def has_input(template: Filled | None) -> bool:
    """Tell whether the input is given already, so that stdin is nobody's."""
    return template is not None and template.has_input


def _assignment(text: str) -> Assignment:
    from ..templating.values import parse_assignment

    try:
        return parse_assignment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def question(
    words: Sequence[str],
    args: argparse.Namespace,
    session: Session,
    *,
    reads_piped: bool = True,
) -> str:
    """Return words, files and stdin, joined; empty when there is nothing.

    `reads_piped` False leaves stdin alone unless the only word is `-`. Raises:
    UsageError, ConfigError, LimitError.
    """
    files = [
        ("stdin" if name == "-" else clean(name), session.text_of(name))
        for name in args.file
    ]
    piped = ""
    if list(words) == ["-"]:
        words = []
        piped = session.text_of("-")
    elif reads_piped and session.reads_stdin and not args.no_stdin:
        piped = session.text_of("-")
        if not piped and (words or files):
            session.note_empty_stdin()
    return joined_prompt(words, files, piped)
