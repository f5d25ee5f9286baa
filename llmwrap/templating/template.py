"""Templates and their variables, as values.

The fields are those of the specification's Template; what is added says how the text
is to be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from ..errors import ConfigError
from ..messages import NO_OPTIONS, Json

Type: TypeAlias = Literal[
    "string", "number", "integer", "boolean", "list", "object", "any"
]
TYPES: tuple[Type, ...] = (
    "string",
    "number",
    "integer",
    "boolean",
    "list",
    "object",
    "any",
)
INPUT = "input"
"""The variable that is the prompt and what was piped in."""

_LONGEST_NAME = 64


class Variable(NamedTuple):
    """What a template says of one of its variables.

    `default` None means that there is none. `required` None leaves it to the default:
    a variable that has one may be left out. One that is not required and has no
    default is empty when it is left out.
    """

    name: str
    type: Type = "any"
    description: str = ""
    default: Json = None
    required: bool | None = None

    @property
    def is_required(self) -> bool:
        """Tell whether rendering without it is an error."""
        return self.default is None if self.required is None else self.required


class Template(NamedTuple):
    """A template: Mustache, and what is known of it.

    `created_at` is in seconds since the epoch. `parent_template` names a template
    that is rendered around this one, whose text it has as `@content`.
    `is_handlebars` says that the content came from Handlebars and that its names mean
    what they mean there. `system`, `model`, `options`, `extract` and `schema` are
    what it brings to a question beside its text.
    """

    name: str
    content: str
    description: str | None = None
    variables: Sequence[Variable] = ()
    created_at: float | None = None
    parent_template: str | None = None
    tags: Sequence[str] = ()
    usage_examples: Sequence[str] = ()
    is_handlebars: bool = False
    system: str | None = None
    model: str | None = None
    options: Mapping[str, Json] = NO_OPTIONS
    extract: str | None = None
    schema: str | None = None


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a template."""
    letters = text.replace("-", "").replace("_", "")
    is_plain = text.isascii() and (letters.isalnum() or not letters)
    return is_plain and 0 < len(text) <= _LONGEST_NAME


def checked_name(text: str) -> str:
    """Return the name of a template. Raises: ConfigError for what can be none."""
    if not is_name(text):
        raise ConfigError(
            f"'{text[:80]}' is no name of a template", hint=NAMES_ARE_MADE_OF
        )
    return text


NAMES_ARE_MADE_OF = "up to 64 letters, digits, '-' and '_' are"
