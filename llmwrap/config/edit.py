"""The file of settings as its user wrote it, with one value changed.

The one door to tomlkit, which keeps comments and order. Not for reading settings:
`load.py` does, and so knows better what is wrong with a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import cast

import tomlkit

from . import toml
from .kinds import PathBase
from .schema import ALIASES, SECTIONS
from .sources import Collected, key_named


def with_value(
    content: bytes, path: str, name: str, given: str, environ: Mapping[str, str]
) -> bytes:
    """Return the file's content with a setting as a text says it.

    `name` is dotted (`cache.ttl`), `given` is written as in a variable. Raises:
    ConfigError for a file, a name or a value that is wrong.
    """
    toml.parse_toml(content, path)
    section, key = key_named(name, path)
    place = PathBase(os.path.dirname(path), environ)
    raw = Collected().put_text(section, key, given, f"file {path}", place)
    text = content.decode().removeprefix("\ufeff")
    document = tomlkit.parse(text)
    group, _, table_name = section.partition(".")
    tables, name = [group, *filter(None, [table_name])], key.name
    aliases = document.get(ALIASES, {})
    if group == ALIASES and not isinstance(aliases.get(table_name), Mapping):
        if key is SECTIONS[ALIASES][0]:
            tables, name = [group], table_name  # the short form
        else:
            _put(aliases, table_name, {"model": aliases.get(table_name, "")})
    table = cast("MutableMapping[str, object]", document)
    for part in tables:
        if part not in table:
            table[part] = tomlkit.table(is_super_table=part != tables[-1])
        table = cast("MutableMapping[str, object]", table[part])
    known = key.alias if key.alias in table else name
    if known not in table:
        inserted = _inserted(text, ".".join(map(toml.bare_key, tables)), name, raw)
        if inserted is not None:
            return inserted.encode()
    _put(table, known, raw)
    return tomlkit.dumps(document).encode()


def _put(table: MutableMapping[str, object], name: str, raw: object) -> None:
    if not isinstance(raw, Mapping):
        table[name] = raw
        return
    old, new = table.get(name), tomlkit.inline_table()
    if isinstance(old, tomlkit.items.Item):  # it keeps comments of plain values only
        new.trivia.comment = old.trivia.comment
    new.update(raw)
    table[name] = new


def _inserted(text: str, section: str, name: str, raw: object) -> str | None:
    """Return the text with a new line where one looks for it; None without its table.

    That is behind the line that hides the default, as `config init` writes it, or
    else behind the table's title: its end may have the next table's comment.
    """
    lines = text.splitlines(keepends=True)
    titles = [at for at, line in enumerate(lines) if line.startswith("[")]
    for at in titles:
        if lines[at].partition("#")[0].strip() != f"[{section}]":
            continue
        end = min((one for one in titles if one > at), default=len(lines))
        hidden = [n for n in range(at, end) if lines[n].startswith(f"#{name} =")]
        place = (hidden or [at])[-1]
        if not lines[place].endswith("\n"):
            lines[place] += "\n"
        lines.insert(place + 1, f"{toml.bare_key(name)} = {toml.literal(raw)}\n")
        return "".join(lines)
    return None
