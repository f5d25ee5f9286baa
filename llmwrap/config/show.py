"""The configuration in force for people and programs, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from . import toml
from .addresses import mask_secrets
from .complaints import printable
from .environment import API_KEY_VARIABLE, BACKEND_VARIABLE, MODEL_VARIABLE
from .kinds import BASE_URL, DURATION, LIFETIME, PROXY, SIZE, Kind
from .load import Config
from .schema import BACKEND_KEYS, BACKENDS, SECTIONS

if TYPE_CHECKING:
    from ..messages import Json

_ENVIRONMENT = "environment"
_MASKED = "***"


class Row(NamedTuple):
    """One value: its dotted key, itself as JSON has it, where it came from.

    Durations are seconds, sizes bytes; None is not set. `line` is the same as TOML
    with the origin in a comment (`cache.ttl = "1h"  # default`); the lines of all
    rows make a file that loads to the same configuration. The three variables that
    are no key come first, in comments.
    """

    key: str
    value: Json
    origin: str
    line: str


def rows(config: Config) -> Iterator[Row]:
    """Yield every value in force, in the order of the schema."""
    yield from _own_variables(config)
    for section, keys in SECTIONS.items():
        if section == BACKENDS:
            yield from _backend_rows(config)
            continue
        for key, value in zip(keys, getattr(config, section), strict=True):
            yield _row(config, f"{section}.{key.name}", key.kind, value)


def _own_variables(config: Config) -> Iterator[Row]:
    named = {
        BACKEND_VARIABLE: config.chosen_backend,
        MODEL_VARIABLE: config.chosen_model,
        API_KEY_VARIABLE: None if config.api_key is None else _MASKED,
    }
    for variable, text in named.items():
        if text is not None:
            line = f"# {variable} = {toml.literal(text)}"
            yield Row(variable, text, _ENVIRONMENT, line)


def _backend_rows(config: Config) -> Iterator[Row]:
    for name, backend in config.backends.items():
        fields = backend[1:-1]  # without the name and `explicit`
        for key, value in zip(BACKEND_KEYS, fields, strict=True):
            is_address = key.kind in (BASE_URL, PROXY) and value is not None
            shown = mask_secrets(str(value)) if is_address else value
            yield _row(config, f"{BACKENDS}.{name}.{key.name}", key.kind, shown)


def _row(config: Config, dotted: str, kind: Kind, value: object) -> Row:
    origin = config.origins[dotted]
    if kind is LIFETIME and value is None:
        value = 0.0
    if value is None:
        return Row(dotted, None, origin, f"# {dotted} is not set")
    line = f"{dotted} = {toml.literal(_written(kind, value))}  # {printable(origin)}"
    return Row(dotted, _json(value), origin, line)


def _written(kind: Kind, value: object) -> object:
    if kind in (DURATION, LIFETIME) and isinstance(value, float):
        return toml.duration(value)
    if kind is SIZE and isinstance(value, int):
        return toml.size(value)
    return value


def _json(value: object) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, bool | int | float):
        return value
    return str(value)
