"""The settings as a first file (`config init`) and as entries of the manual.

Both are made from `schema.py`, so that a key cannot be without its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from . import toml
from .environment import variable_of
from .schema import BACKENDS, SECTIONS, Key

_HEADER = """\
# Settings of llmwrap; llmwrap.toml(5) says more.
#
# A '#' with no blank after it hides a setting at its default, or at an example where
# there is no default: take the '#' away and change what follows. LLMWRAP_SECTION_KEY
# in the environment (LLMWRAP_CACHE_TTL=2h) and options of commands win over this file.
# Relative paths start at the directory of this file.
"""

_EXAMPLE_BACKEND = "ollama"

SECTION_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "defaults": "what is asked when the command line does not say",
        "limits": "sizes beyond which one gives up (status 9)",
        BACKENDS: "the servers; without [defaults] backend the first table is asked",
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
        place = f"{section}.NAME" if section == BACKENDS else section
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
    is_backend = section == BACKENDS
    title = f"#[{section}.{_EXAMPLE_BACKEND}]" if is_backend else f"[{section}]"
    lines = "".join(_setting(key) for key in keys)
    return f"\n# {section}: {SECTION_DOCS[section]}\n{title}\n{lines}"


def _setting(key: Key) -> str:
    if key.default is not None:
        return f"# {key.doc}\n#{key.name} = {toml.literal(key.default)}\n"
    return f"# {key.doc} (an example)\n#{key.name} = {toml.literal(key.example)}\n"
