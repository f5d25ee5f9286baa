"""`template`: the library of templates, looked at, filled and kept."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError, LLMWrapError
from ..messages import Json
from .context import Context
from .options import add_files
from .parser import Command, Parser, Verb, add_common, add_json
from .prompt import add_variables, filled, question
from .session import Session
from .tables import Column

if TYPE_CHECKING:
    from ..templating import Library, Prepared, Stored, Variable


def _add_render(parser: Parser) -> None:
    add_variables(parser)
    add_files(parser, "add a text file to the input, under its name; repeatable")
    parser.add_argument(
        "-n", "--no-stdin", action="store_true", help="never read stdin"
    )


def _add_force(parser: Parser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace a template of the same name"
    )


COMMAND = Command(
    name="template",
    summary="Look at the templates, fill them, and keep one's own.",
    verbs=(
        Verb("list", "List the templates."),
        Verb("show", "Show one, with its variables.", "TEMPLATE"),
        Verb("render", "Fill one and ask nobody.", "TEMPLATE [PROMPT...]", _add_render),
        Verb(
            "create",
            "Keep a file, what is piped in or what you write.",
            "NAME [FILE]",
            _add_force,
        ),
        Verb("edit", "Open one in $VISUAL or $EDITOR.", "TEMPLATE"),
        Verb("delete", "Remove one of your own.", "TEMPLATE"),
        Verb("validate", "Say what is wrong with templates.", "[TEMPLATE...]"),
        Verb("import", "Bring in files, Handlebars ones too.", "FILE...", _add_force),
    ),
)

_LIST = (Column("NAME"), Column("PLACE"), Column("VARIABLES"), Column("DESCRIPTION"))
_VARIABLES = (
    Column("VARIABLE"),
    Column("TYPE"),
    Column("REQUIRED"),
    Column("DEFAULT"),
    Column("DESCRIPTION"),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0."""
    from ..prompting.templates import open_library  # late: help and manual need none

    verb, operands = args.verb, args.operands
    # What is wrong with templates stands in the rows that validate prints.
    is_wanted = args.json and verb != "validate"
    has_data = args.json or verb in ("list", "show", "render")
    with context.output.errors_as_json(is_wanted=is_wanted):
        session = Session.of(args, context, stdout_is_data=has_data)
        library = open_library(session.config, context.environ)
        if verb in _VERBS:
            return _VERBS[verb](args, session, library, operands)
        from .template_files import VERBS  # late: rendering is done more often

        return VERBS[verb](args, session, library, operands)


def _list(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    found = []
    for name in library.names():
        try:
            found.append((library.get(name), library.prepared(name)))
        except LLMWrapError as error:
            session.log.warning(str(error))
    if args.json:
        rows = [_document(stored, prepared) for stored, prepared in found]
        session.output.json_rows("templates", rows)
    else:
        cells = [_row(stored, prepared) for stored, prepared in found]
        session.output.rows(_LIST, cells)
    return 0


def _row(stored: Stored, prepared: Prepared) -> list[str]:
    names = [v.name if v.is_required else f"[{v.name}]" for v in prepared.variables]
    description = stored.template.description or ""
    return [stored.template.name, stored.place, " ".join(names), description]


def _document(stored: Stored, prepared: Prepared) -> dict[str, Json]:
    template = stored.template
    return {
        "name": template.name,
        "place": stored.place,
        "path": stored.path,
        "description": template.description,
        "variables": [_variable(variable) for variable in prepared.variables],
        "created_at": _date(template.created_at),
        "parent_template": template.parent_template,
        "tags": list(template.tags),
        "usage_examples": list(template.usage_examples),
        "handlebars": template.is_handlebars,
        "system": template.system,
        "model": template.model,
        "options": dict(template.options),
        "extract": template.extract,
        "schema": template.schema,
    }


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "type": variable.type,
        "required": variable.is_required,
        "default": variable.default,
        "description": variable.description,
    }


def _date(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds or 0))


def _show(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    name = operands[0]
    prepared = library.validate(name)
    stored = library.get(name)
    template = stored.template
    if args.json:
        document = _document(stored, prepared)
        force: list[Json] = [one._asdict() for one in _in_force(stored, session)]
        row = {**document, "content": template.content, "in_force": force}
        session.output.json_rows("templates", [row])
        return 0
    rows = [
        ("name", template.name),
        ("description", template.description or ""),
        ("place", stored.place),
        ("path", stored.path),
        ("created", _date(template.created_at)),
        ("tags", ", ".join(template.tags)),
        ("parent", template.parent_template or ""),
        *(("example", example) for example in template.usage_examples),
        *((s.key, f"{s.text} ({s.origin})") for s in _in_force(stored, session)),
    ]
    session.output.rows((Column(""), Column("")), rows)
    if prepared.variables:
        session.output.line("")
        cells = [_cells(variable) for variable in prepared.variables]
        session.output.rows(_VARIABLES, cells)
    session.output.text("\n" + template.content.rstrip("\n") + "\n")
    return 0


class InQuestion(NamedTuple):
    """What a question with a template gets, and from where."""

    key: str
    value: Json
    origin: str

    @property
    def text(self) -> str:
        """Return the value as a row shows it."""
        if isinstance(self.value, str):
            return " ".join(self.value.split())
        return json.dumps(self.value, ensure_ascii=False)


def _in_force(stored: Stored, session: Session) -> list[InQuestion]:
    """Return what a template brings, with what an alias and the file add to it.

    Nothing where it brings nothing, or what it may not: then a warning says so.
    """
    from ..prompting.carried import carried

    try:
        brought = session.carried = carried(stored, session.config.aliases)
    except ConfigError as error:
        session.log.warning(str(error))
        return []
    own = f"template '{brought.template}'"
    texts = (brought.system, brought.model, brought.extract, brought.schema)
    if not any((*texts, brought.options)):
        return []
    layers, alias, found = session.layers(), session.alias(), []
    if brought.model:
        found.append(InQuestion("model", brought.model, own))
    if alias:
        found.append(InQuestion("model", alias.model, f"alias '{alias.name}'"))
    if layers.system:
        found.append(InQuestion("system", layers.system.system, layers.system.origin))
    for name, value in layers.options.items():
        found.append(InQuestion(f"options.{name}", value, layers.origin(name)))
    if brought.extract:
        found.append(InQuestion("extract", brought.extract, own))
    if brought.schema:
        found.append(InQuestion("schema", brought.schema, own))
    return found


def _cells(variable: Variable) -> list[str]:
    has_default = variable.default is not None
    default = json.dumps(variable.default, ensure_ascii=False) if has_default else ""
    required = "yes" if variable.is_required else "no"
    return [variable.name, variable.type, required, default, variable.description]


def _render(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    name, *words = operands
    template = filled(name, args, session, library)
    given = question(words, args, session, reads_piped=not template.has_input)
    text = template.text(given)
    if args.json:
        session.output.json_rows("templates", [{"name": name, "text": text}])
    else:
        session.output.text(text or "\n")
        session.output.end_text()
    return 0


def _validate(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    names = list(operands) or library.names()
    from ..prompting.carried import carried

    errors: dict[str, LLMWrapError] = {}
    for name in names:
        try:
            library.validate(name)
            carried(library.get(name), session.config.aliases)
        except LLMWrapError as error:
            errors[name] = error
    if args.json:
        rows: list[dict[str, Json]] = [
            {"name": name, "problem": str(errors[name]) if name in errors else None}
            for name in names
        ]
        session.output.json_rows("templates", rows)
    if len(errors) == 1:
        raise next(iter(errors.values()))
    for problem in errors.values():
        session.log.warning(str(problem))
    if errors:
        raise ConfigError(f"{len(errors)} of {len(names)} templates are not valid")
    session.log.note(f"{len(names)} valid")
    return 0


def _delete(
    args: argparse.Namespace,
    session: Session,
    library: Library,
    operands: Sequence[str],
) -> int:
    name = operands[0]
    path = library.delete(name)
    session.log.note(f"deleted '{path}'")
    if args.json:
        session.output.json_rows("templates", [{"name": name, "path": path}])
    return 0


_Verb = Callable[[argparse.Namespace, Session, "Library", Sequence[str]], int]
_VERBS: Mapping[str, _Verb] = {
    "list": _list,
    "show": _show,
    "render": _render,
    "delete": _delete,
    "validate": _validate,
}
