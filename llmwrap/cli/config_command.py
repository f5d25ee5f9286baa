"""`config`: the settings in force, their file, and writing a first one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping

from ..config import Config, config_path
from ..config.schema import DefaultsConfig
from ..config.show import rows, sample, write_first_config
from ..config.sources import LARGEST_BYTES, key_named, variable_of
from ..errors import ConfigError, UsageError
from ..files import write_whole
from ..log import Log, people_sink
from ..messages import Json, Sampling
from ..paths import ensure_private_dir
from ..prompting.prompt import read_input
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
        Verb("get", "Print one value that is in force.", "KEY"),
        Verb("set", "Change one value in the file.", "KEY VALUE"),
        Verb("edit", "Open the file in $VISUAL or $EDITOR, and check it."),
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


def _get(args: argparse.Namespace, context: Context) -> int:
    session = Session.of(args, context)
    config, (name,) = session.config, args.operands
    section, key = key_named(name, config.path or config_path(None, context.environ))
    name = f"{section}.{key.name}"
    row = next((row for row in rows(config) if row.key == name), None)
    if row is None:
        hint = f"'llmwrap config set {name} VALUE' begins it"
        raise ConfigError(f"there is no '{section}'", hint=hint)
    if args.json:
        found = {"key": row.key, "value": row.value, "origin": row.origin}
        context.output.json_rows("config", [found])
    elif row.value is None:
        session.log.note(f"'{name}' is not set")
    else:
        context.output.line(row.text)
    return 0


def _set(args: argparse.Namespace, context: Context) -> int:
    from ..config.edit import with_value  # late: it loads tomlkit

    name, given = args.operands
    path = _file(args, context)
    content = with_value(_content(path), path, name, given, context.environ)
    log = _people(args, context)
    _store(content, path, context, log)
    log.note(f"wrote '{path}'")
    section, key = key_named(name, path)
    variable = variable_of(section, key.name)
    if context.environ.get(variable):
        log.note(f"{variable} is set, and wins")
    if args.json:
        context.output.json_rows("config", [{"path": path, "key": name}])
    return 0


def _edit(args: argparse.Namespace, context: Context) -> int:
    from .editor import edited  # late: nobody else needs it

    path = _file(args, context)
    ensure_private_dir(os.path.dirname(path))
    draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.draft")
    text = _content(path).decode("utf-8", "replace") or sample()

    def store(after: bytes) -> str:
        _store(after, path, context)
        return path

    written = edited(context, _people(args, context), draft, text, store)
    if args.json:
        context.output.json_rows("config", [{"path": written}] if written else [])
    return 0


def _file(args: argparse.Namespace, context: Context) -> str:
    """Return the file itself: a link to it stays one."""
    return os.path.realpath(config_path(args.config, context.environ))


def _content(path: str) -> bytes:
    try:
        return read_input(path, LARGEST_BYTES)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return b""
        raise


def _store(content: bytes, path: str, context: Context, log: Log | None = None) -> None:
    """Write the file if every command could run with it. Raises: ConfigError.

    With a log, a backend may still be without an address: it is set key by key.
    """
    config = Config.of_text(content, path, context.environ)
    _check(config, context, log)
    write_whole(path, content, is_replaced=True)


def _check(config: Config, context: Context, log: Log | None = None) -> None:
    """Refuse what only those who use a setting can judge. Raises: ConfigError.

    With a log, a backend without an address is a warning.
    """
    from ..backends import known_kinds
    from ..engine import Engine
    from ..prompting.prompt import default_system
    from ..prompting.sampling import with_options
    from ..repl.keys import configured_keys
    from ..terminal.themes import chosen_theme

    chosen_theme(config)
    configured_keys(config)
    for name, said in _layers(config):
        default_system(config._replace(defaults=said))
        try:
            with_options(Sampling(), {}, said.options)
        except UsageError as error:
            raise ConfigError(f"{name} options: {error.message}") from error
    kinds = known_kinds()
    with Engine(config, environ=context.environ, is_one_shot=True) as engine:
        for name, backend in config.backends.items():
            if backend.kind.lower() not in kinds:
                key = f"backends.{name}.backend_type"
                raise config.bad_value(key, backend.kind, kinds)
            selector = engine.selector()
            if log and selector.address(backend) is None:
                log.warning(f"backend '{name}' has no address yet; base_url is one")
                continue
            known = selector.backend(name)
            engine.backend(known, is_first_choice=False)


def _layers(config: Config) -> Iterator[tuple[str, DefaultsConfig]]:
    """Yield what is said of every question, and by each alias of its own."""
    yield "[defaults]", config.defaults
    for name, alias in config.aliases.items():
        own = config.defaults._replace(system=alias.system, options=alias.options)
        yield f"[aliases] {name}", own


def _check_choice(config: Config, context: Context) -> None:
    """Refuse what variables or [defaults] say of whom to ask. Raises: ConfigError."""
    from ..engine import Engine

    with Engine(config, environ=context.environ, is_one_shot=True) as engine:
        engine.selector().selection()


def _people(args: argparse.Namespace, context: Context) -> Log:
    # For people only: what a file that may be unusable says of logging is not read.
    return Log(people_sink(context.output.note, people_threshold(args)))


def _path(args: argparse.Namespace, context: Context) -> int:
    # Not through a Session: the path is wanted most when the file is broken.
    path = config_path(args.config, context.environ)
    if args.json:
        context.output.json_rows("config", [{"path": path}])
    else:
        context.output.path(path)
    return 0


def _validate(args: argparse.Namespace, context: Context) -> int:
    session = Session.of(args, context, stdout_is_data=args.json)
    config, log = session.config, session.log
    _check(config, context)
    _check_choice(config, context)
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
    _people(args, context).note(f"wrote '{path}'")
    if args.json:
        context.output.json_rows("config", [{"path": path}])
    return 0


_VERBS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "show": _show,
    "get": _get,
    "set": _set,
    "edit": _edit,
    "path": _path,
    "validate": _validate,
    "init": _init,
}
