"""Prompts of a load test that templates make.

They are rendered at each request, as `ask -t` does it, so that a test of templates is
one of rendering under load too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import UsageError
from ..messages import Json, Message
from ..prompting.templates import Filled
from ..templating import Library
from ..templating.template import INPUT, Type, Variable
from .prompts import BUILT_IN, Prompts, digest_of

_MADE_UP: Mapping[Type, Json] = {
    "string": "three short points",
    "any": "three short points",
    "number": 2.5,
    "integer": 3,
    "boolean": True,
    "list": ["the first thing", "the second thing"],
    "object": {"name": "value"},
}


def template_prompts(library: Library) -> Prompts:
    """Return prompts of every template in turn, with variables made up.

    Each template is asked about each of the built-in prompts. Raises: ConfigError,
    LimitError for a template that is not valid; UsageError where there is none.
    """
    names = library.names()
    if not names:
        raise UsageError("there is no template to test")
    filled = [_made_up(library, name) for name in names]
    return _prompts(filled, BUILT_IN, f"{len(names)} templates")


def filled_prompts(filled: Filled, given: str) -> Prompts:
    """Return the prompt of one template, rendered at each request.

    `given` is its input. Raises: ConfigError, LimitError, UsageError.
    """
    name = filled.template.template.name
    return _prompts([filled], [given], f"the template '{name}'")


def _prompts(filled: Sequence[Filled], inputs: Sequence[str], what: str) -> Prompts:
    def text(number: int) -> str:
        turn, which = divmod(number, len(filled))
        return filled[which].prompt(inputs[turn % len(inputs)])

    def messages(number: int) -> tuple[Message, ...]:
        return (Message("user", text(number)),)

    # All of them once: what is wrong with one is said before anybody is asked.
    digest = digest_of([text(number) for number in range(len(filled) * len(inputs))])
    return Prompts(messages, what, digest, is_rendered=True)


def _made_up(library: Library, name: str) -> Filled:
    template = library.prepared(name)
    variables = {
        variable.name: _value(variable)
        for variable in template.variables
        if variable.name != INPUT and variable.is_required
    }
    return Filled(template, variables)


def _value(variable: Variable) -> Json:
    return _MADE_UP[variable.type]
