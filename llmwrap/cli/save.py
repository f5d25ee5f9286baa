"""`--save NAME`: a command line becomes a template, and nothing is asked."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from ..messages import Json, Sampling
from ..prompting.carried import carried
from ..prompting.sampling import with_options
from ..prompting.templates import open_library
from ..templating import Stored, Template
from ..templating.writing import written
from .session import Session

_MARKS = ("<% %>", "<< >>", "<| |>", "[[ ]]", "<%% %%>", "@@< >@@")


def save(args: argparse.Namespace, session: Session, named: Sampling) -> None:
    """Keep system prompt, model, options and prompt as a template.

    `named` is what the options with names of their own say of the sampling.

    Raises: UsageError for a name that is taken, ConfigError, LimitError, OutputError.
    """
    if args.template is not None:
        raise UsageError("--save makes a template, and -t names another one")
    library = open_library(session.config, session.context.environ)
    path = library.path_for(args.save)
    library.check_absent(args.save, is_replaced=False)
    template = Template(
        args.save,
        literal(" ".join(args.operands)),
        system=_system(args, session),
        model=args.model,
        options=_options(args, named),
        extract=args.extract,
    )
    # What could not be used is not written.
    place = library.places[0].label
    stored = Stored(template, place, path, "", 1, (0, 0, 0))
    carried(stored, session.config.aliases)
    library.create(args.save, written(template))
    if left := _left_out(args, session):
        session.log.note(f"left out of the template: {', '.join(left)}")
    session.log.note(f"wrote '{path}'")


def literal(text: str) -> str:
    """Return a text as a template that makes just this text."""
    if "{{" not in text:
        return text
    for marks in _MARKS:
        begin, end = marks.split()
        if begin not in text:
            return f"{{{{={begin} {end}=}}}}{text}"
    raise UsageError("the prompt has the marks of every template in it")


def _system(args: argparse.Namespace, session: Session) -> str | None:
    text: str | None = args.system
    if text is not None and text.startswith("@"):
        text = session.text_of(text[1:]).rstrip("\n")
    return text


def _options(args: argparse.Namespace, named: Sampling) -> dict[str, Json]:
    sampling = with_options(named, dict(args.option), {})
    fields: dict[str, Json] = {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {**given, **sampling.options}


def _left_out(args: argparse.Namespace, session: Session) -> list[str]:
    left = {
        "files": args.file,
        "images": args.image,
        "the backend": args.backend,
        "its address": args.base_url,
        "the schema": args.schema or args.schema_list,
        "stdin": session.reads_stdin and not args.no_stdin,
    }
    return [name for name, is_given in left.items() if is_given]
