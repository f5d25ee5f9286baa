"""The head of a template's file: TOML between two lines of `+++`.

    +++
    description = "Greet somebody"
    tags = ["example"]

    [variables.name]
    description = "whom to greet"
    type = "string"
    +++
    Hello {{name}}!

A file without a head is a template too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from ..config.complaints import printable, quoted, suggestion
from ..config.toml import parse_toml
from ..errors import ConfigError, LimitError
from ..messages import Json
from ..units import format_size
from .template import TYPES, Template, Type, Variable, is_name
from .values import check_type

FENCE = "+++"
LARGEST_HEAD_BYTES = 8 << 10
"""tomllib takes quadratic time over dotted keys: 0.4 s for as many as this holds."""
_KEYS = (
    "description",
    "tags",
    "usage_examples",
    "parent_template",
    "created_at",
    "handlebars",
    "system",
    "model",
    "options",
    "extract",
    "schema",
    "variables",
)
_VARIABLE_KEYS = ("description", "type", "required", "default")


class Parts(NamedTuple):
    """A file taken apart; `first_line` is where its body begins."""

    head: str
    body: str
    first_line: int


def take_apart(text: str, path: str) -> Parts:
    """Return head and body of a file. Raises: ConfigError for a head without end."""
    text = text.removeprefix("\ufeff")
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        if _is_yaml_head(lines):
            raise ConfigError(
                f"'{printable(path)}': its head is YAML",
                hint=f"a head is TOML, between two lines of '{FENCE}'",
            )
        return Parts("", text, 1)
    for index, line in enumerate(lines[1:], 1):
        if line.rstrip() == FENCE:
            head = "".join(f"{line}\n" for line in lines[1:index])
            return Parts(head, "\n".join(lines[index + 1 :]), index + 2)
    raise ConfigError(
        f"'{printable(path)}': the head has no end",
        hint=f"a line '{FENCE}' ends it",
    )


def _is_yaml_head(lines: Sequence[str]) -> bool:
    """Tell whether a text begins as YAML heads do: it would be sent to the model."""
    if lines[0].rstrip() != "---" or len(lines) < 3:
        return False
    name, colon, _ = lines[1].partition(":")
    is_pair = bool(colon) and name.replace("-", "_").isidentifier()
    return is_pair and any(line.rstrip() == "---" for line in lines[2:])


def read_template(name: str, parts: Parts, path: str) -> Template:
    """Return the template of a file; its content is the body.

    Raises: ConfigError, LimitError.
    """
    if not parts.head.strip():
        return Template(name, parts.body)
    # One line before it, so that lines have the numbers they have in the file.
    head = f"\n{parts.head}".encode()
    if len(head) > LARGEST_HEAD_BYTES:
        largest = format_size(LARGEST_HEAD_BYTES)
        raise LimitError(f"'{printable(path)}': the head is longer than {largest}")
    table = parse_toml(head, path)
    return _HeadReader(path).template(name, parts.body, table)


class _HeadReader:
    """Check what stands in a head, with the file in each message."""

    def __init__(self, path: str) -> None:
        self._path = printable(path)

    def template(self, name: str, body: str, table: Mapping[str, object]) -> Template:
        self._check_keys(table, _KEYS, "")
        parent = self._text(table, "parent_template")
        if parent is not None and not is_name(parent):
            raise self._bad("parent_template", parent, "a template's name is wanted")
        variables = table.get("variables", {})
        if not isinstance(variables, dict):
            raise self._bad("variables", variables, "[variables.NAME] is wanted")
        return Template(
            name=name,
            content=body,
            description=self._text(table, "description"),
            variables=tuple(self._variable(n, v) for n, v in variables.items()),
            created_at=self._seconds(table.get("created_at")),
            parent_template=parent,
            tags=self._texts(table, "tags"),
            usage_examples=self._texts(table, "usage_examples"),
            is_handlebars=self._flag(table, "handlebars") or False,
            system=self._text(table, "system"),
            model=self._word(table, "model"),
            options=self._options(table.get("options", {})),
            extract=self._word(table, "extract"),
            schema=self._word(table, "schema"),
        )

    def _variable(self, name: str, table: object) -> Variable:
        key = f"variables.{name}"
        if not isinstance(table, dict):
            raise self._bad(key, table, f"[{key}] is wanted")
        if not name or not name[0].isalpha() or "." in name or name.split() != [name]:
            raise self._bad("variables", name, "a name begins with a letter")
        self._check_keys(table, _VARIABLE_KEYS, f"{key}.")
        kind = table.get("type", "any")
        if kind not in TYPES:
            hint = suggestion(str(kind), TYPES)
            raise self._bad(f"{key}.type", kind, hint)
        variable = Variable(
            name,
            cast("Type", kind),
            self._text(table, "description", key) or "",
            self._json(table.get("default"), f"{key}.default"),
            self._flag(table, "required", key),
        )
        if variable.default is not None:
            check_type(variable, variable.default, self._path)
        return variable

    def _check_keys(
        self, table: Mapping[str, object], known: Sequence[str], where: str
    ) -> None:
        for key in table:
            if key not in known:
                raise ConfigError(
                    f"'{self._path}': unknown key {quoted(where + key)}",
                    hint=suggestion(key, known),
                )

    def _text(
        self, table: Mapping[str, object], key: str, where: str = ""
    ) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            raise self._bad(f"{where}.{key}".lstrip("."), value, "a text is wanted")
        return value

    def _word(self, table: Mapping[str, object], key: str) -> str | None:
        text = self._text(table, key)
        if text is not None and not (text.strip() and text.isprintable()):
            raise self._bad(key, text, "a name is wanted")
        return text

    def _options(self, value: object) -> Mapping[str, Json]:
        if not isinstance(value, dict):
            raise self._bad("options", value, "options = { NAME = VALUE } is wanted")
        return {name: self._json(v, f"options.{name}") for name, v in value.items()}

    def _flag(
        self, table: Mapping[str, object], key: str, where: str = ""
    ) -> bool | None:
        value = table.get(key)
        if value is not None and not isinstance(value, bool):
            where = f"{where}.{key}".lstrip(".")
            raise self._bad(where, value, "true or false is wanted")
        return value

    def _texts(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self._bad(key, value, "a list of texts is wanted")
        return tuple(value)

    def _json(self, value: object, key: str) -> Json:
        if isinstance(value, float) and not math.isfinite(value):
            raise self._bad(key, value, "a finite number is wanted")
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, list):
            return [self._json(item, key) for item in value]
        if isinstance(value, dict):
            return {name: self._json(item, key) for name, item in value.items()}
        raise self._bad(key, value, "dates are texts here")

    def _seconds(self, value: object) -> float | None:
        if value is None:
            return None
        from datetime import UTC, datetime  # late: tomllib has imported it anyway

        if not isinstance(value, datetime):
            raise self._bad("created_at", value, "a date and time is wanted")
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()

    def _bad(self, key: str, value: object, hint: str) -> ConfigError:
        return ConfigError(
            f"'{self._path}': bad value {quoted(value)} for '{key}'", hint=hint
        )
