"""Settings for people: those in force, the first file, entries of the manual.

All are made from `schema.py`, so that no key can be without its line. Secrets are
masked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ..files import write_whole
from . import toml
from .addresses import mask_secrets
from .api_key import is_secret_name
from .complaints import printable
from .kinds import BASE_URL, DURATION, LIFETIME, PROXY, SIZE, Kind
from .load import Config
from .schema import ALIASES, BACKEND_KEYS, BACKENDS, NAMED, SECTIONS, Key
from .sources import API_KEY_VARIABLE, BACKEND_VARIABLE, MODEL_VARIABLE, variable_of

if TYPE_CHECKING:
    from ..messages import Json


_ENVIRONMENT = "environment"
_MASKED = "***"


class InForce(NamedTuple):
    """One value: its dotted key, itself as JSON has it, where it came from.

    Durations are seconds, sizes bytes; None is not set. `line` is the same as TOML
    with the origin in a comment (`cache.ttl = "1h"  # default`); the lines of all
    rows make a file that loads to the same configuration. `text` is the value as
    `config set` takes it. The three variables that are no key come first, in comments.
    """

    key: str
    value: Json
    origin: str
    line: str
    text: str = ""


def rows(config: Config) -> Iterator[InForce]:
    """Yield every value in force, in the order of the schema."""
    yield from _own_variables(config)
    for section, keys in SECTIONS.items():
        if section == BACKENDS:
            yield from _backend_rows(config)
            continue
        if section == ALIASES:
            yield from _alias_rows(config)
            continue
        for key, value in zip(keys, getattr(config, section), strict=True):
            yield _row(config, f"{section}.{key.name}", key.kind, value)


def _own_variables(config: Config) -> Iterator[InForce]:
    named = {
        BACKEND_VARIABLE: config.chosen_backend,
        MODEL_VARIABLE: config.chosen_model,
        API_KEY_VARIABLE: None if config.api_key is None else _MASKED,
    }
    for variable, text in named.items():
        if text is not None:
            line = f"# {variable} = {toml.literal(text)}"
            yield InForce(variable, text, _ENVIRONMENT, line)


def _backend_rows(config: Config) -> Iterator[InForce]:
    for name, backend in config.backends.items():
        fields = backend[1:-1]  # without the name and `explicit`
        for key, value in zip(BACKEND_KEYS, fields, strict=True):
            is_address = key.kind in (BASE_URL, PROXY) and value is not None
            shown: object = mask_secrets(str(value)) if is_address else value
            if key.name in ("headers", "query") and isinstance(value, Mapping):
                shown = _masked(value, is_query=key.name == "query")
            yield _row(config, f"{BACKENDS}.{name}.{key.name}", key.kind, shown)


def _masked(table: Mapping[str, object], *, is_query: bool) -> dict[str, object]:
    """Return headers or a query for people; where a secret is read may be seen."""
    return {
        name: _MASKED
        if isinstance(value, str) and (is_query or is_secret_name(name))
        else value
        for name, value in table.items()
    }


def _alias_rows(config: Config) -> Iterator[InForce]:
    for name, alias in config.aliases.items():
        for key, value in zip(SECTIONS[ALIASES], alias[1:], strict=True):
            row = _row(config, f"{ALIASES}.{name}.{key.name}", key.kind, value)
            bare = f"{ALIASES}.{toml.bare_key(name)}.{key.name}"
            yield row._replace(line=row.line.replace(row.key, bare, 1))


def _row(config: Config, dotted: str, kind: Kind, value: object) -> InForce:
    origin = config.origins[dotted]
    if kind is LIFETIME and value is None:
        value = 0.0
    if value is None:
        return InForce(dotted, None, origin, f"# {dotted} is not set")
    written = _written(kind, value)
    line = f"{dotted} = {toml.literal(written)}  # {printable(origin)}"
    text = written if isinstance(written, str) else _json_text(_json(written))
    return InForce(dotted, _json(value), origin, line, text)


def _json_text(value: Json) -> str:
    import json  # late: most rows are text, and `ask` needs no rows

    return json.dumps(value, ensure_ascii=False)


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


_HEADER = """\
# Settings of llmwrap; llmwrap.toml(5) says more.
#
# A '#' with no blank after it hides a setting at its default, or at an example where
# there is no default: take the '#' away and change what follows. LLMWRAP_SECTION_KEY
# in the environment (LLMWRAP_CACHE_TTL=2h) and options of commands win over this file.
# Relative paths start at the directory of this file.
"""

_EXAMPLES = {BACKENDS: "ollama", ALIASES: "fast"}

SECTION_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "defaults": "what is asked when the command line does not say",
        "limits": "sizes beyond which one gives up (status 9)",
        BACKENDS: "the servers; without [defaults] backend the first table is asked",
        ALIASES: 'other names of models; fast = "qwen3:4b" is short for its model',
        "streaming": "answers on their way",
        "cache": "answers kept",
        "templates": "where templates are",
        "ui": "chat on a terminal",
        "logging": "what is logged, and where to",
        "history": "conversations kept",
    }
)
"""One line on each section."""


class Reference(NamedTuple):
    """One setting for the manual: `key` is dotted, `default` a literal or empty."""

    key: str
    variable: str
    kind: str
    default: str
    doc: str


def reference() -> Iterator[Reference]:
    """Yield every setting in the order of the schema; a backend is called NAME."""
    for section, keys in SECTIONS.items():
        place = f"{section}.NAME" if section in NAMED else section
        for key in keys:
            default = "" if key.default is None else toml.literal(key.default)
            variable = variable_of(place, key.name)
            name = f"{place}.{key.name}"
            yield Reference(name, variable, key.kind.name, default, key.doc)


def sample() -> str:
    """Return a commented file that changes nothing until a '#' is taken away.

    Whatever the reader takes away, even every '#' before a setting, it loads.
    """
    return _HEADER + "".join(_section(*item) for item in SECTIONS.items())


def _section(section: str, keys: tuple[Key, ...]) -> str:
    # A table of a backend would be the one that is asked, so it is hidden too.
    title = f"[{section}]"
    if section in _EXAMPLES:
        title = f"#[{section}.{_EXAMPLES[section]}]"
    lines = "".join(_setting(key) for key in keys)
    return f"\n# {section}: {SECTION_DOCS[section]}\n{title}\n{lines}"


def _setting(key: Key) -> str:
    if key.default is not None:
        return f"# {key.doc}\n#{key.name} = {toml.literal(key.default)}\n"
    return f"# {key.doc} (an example)\n#{key.name} = {toml.literal(key.example)}\n"


def write_first_config(path: str, *, is_replaced: bool = False) -> None:
    """Write the commented sample, whole or not at all, for its owner's eyes only.

    A link is followed, so that it stays one. Missing directories are made 0700.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    write_whole(os.path.realpath(path), sample().encode(), is_replaced=is_replaced)
