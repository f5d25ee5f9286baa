"""`config`: the settings in force, their file, and writing a first one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from ..config import config_path
from ..config.show import rows, write_first_config
from ..log import Log, people_sink
from ..messages import Json
from ..terminal.sanitize import visible
from .context import Context
from .parser import Command, Parser, Verb, add_common, add_json
from .session import Session, people_threshold


def _add_init(parser: Parser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace a file that exists"
    )


COMMAND = Command(
    name="config",
    summary="See the settings, and change them.",
    verbs=(
        Verb("show", "Show the settings in force, each with where it came from."),
        Verb("path", "Print the path of their file."),
        Verb("validate", "Say what is wrong with them."),
        Verb("init", "Write a commented first file.", "", _add_init),
    ),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0."""
    with context.output.errors_as_json(is_wanted=args.json):
        return _VERBS[args.verb](args, context)


def _show(args: argparse.Namespace, context: Context) -> int:
    session = Session.of(args, context)
    if args.json:
        found: list[dict[str, Json]] = [
            {"key": row.key, "value": row.value, "origin": row.origin}
            for row in rows(session.config)
        ]
        context.output.json_rows("config", found)
    else:
        for row in rows(session.config):
            context.output.line(visible(row.line))  # on a pipe, too: for people
    return 0


def _path(args: argparse.Namespace, context: Context) -> int:
    # Not through a Session: the path is wanted most when the file is broken.
    path = config_path(args.config, context.environ)
    if args.json:
        context.output.json_rows("config", [{"path": path}])
    else:
        context.output.line(path)
    return 0


def _validate(args: argparse.Namespace, context: Context) -> int:
    session = Session.of(args, context, stdout_is_data=args.json)
    config, log = session.config, session.log
    if config.path is None:
        path = config_path(args.config, context.environ)
        log.note(f"there is no '{path}': defaults are in force")
    else:
        log.note(f"'{config.path}' is valid")
    if args.json:
        warnings: list[Json] = list(config.warnings)
        found: dict[str, Json] = {"path": config.path, "warnings": warnings}
        context.output.json_rows("config", [found])
    return 0


def _init(args: argparse.Namespace, context: Context) -> int:
    path = config_path(args.config, context.environ)
    write_first_config(path, is_replaced=args.force)
    # For people only: what the file that was there says of logging is not read.
    log = Log(people_sink(context.output.note, people_threshold(args)))
    log.note(f"wrote '{path}'")
    if args.json:
        context.output.json_rows("config", [{"path": path}])
    return 0


_VERBS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "show": _show,
    "path": _path,
    "validate": _validate,
    "init": _init,
}
