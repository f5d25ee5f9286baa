"""What backends tell of their models, arranged for people and for shells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..backends.base import Model
from ..config import AliasConfig
from ..messages import Json
from .survey import BackendReport, find_model

# What no shell takes for anything else: a server chooses these names, and completion
# puts them on somebody's command line.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def use_of(model: Model) -> str:
    """Return what is to be known of a model that is not asked unasked."""
    if model.is_embedding:
        return "embedding"
    return f"runs at {model.remote}" if model.remote else ""


class ModelRow(NamedTuple):
    """A model and the name of the backend that has it."""

    model: Model
    backend: str

    def document(self) -> dict[str, Json]:
        """Return it as JSON has it; null is what the backend does not say."""
        model = self.model
        return {
            "name": model.name,
            "backend": self.backend,
            "loaded": model.is_loaded,
            "size_bytes": model.size_bytes,
            "context_tokens": model.context_tokens,
            "trained_context_tokens": model.trained_tokens,
            "parameters": model.parameters,
            "quantization": model.quantization,
            "family": model.family,
            "modified": model.modified,
            "digest": model.digest,
            "capabilities": list(model.capabilities),
            "aliases": list(model.aliases),
            "embedding": model.is_embedding,
            "remote": model.remote,
        }


def model_count(models: Sequence[Model]) -> str:
    """Return how many models there are, and how many of them are not for a chat."""
    odd = {
        "embedding": sum(model.is_embedding for model in models),
        "elsewhere": sum(bool(model.remote) for model in models),
    }
    more = ", ".join(f"{count} {what}" for what, count in odd.items() if count)
    return f"{len(models)} ({more})" if more else str(len(models))


def model_rows(reports: Iterable[BackendReport]) -> list[ModelRow]:
    """Return all models, in the order of the backends and of each one's list."""
    return [
        ModelRow(model, report.name) for report in reports for model in report.models
    ]


def hidden(rows: Sequence[ModelRow], aliases: Iterable[AliasConfig]) -> Iterator[str]:
    """Yield a note for each model that an alias of its name keeps from being asked."""
    for alias in aliases:
        for row in rows:
            if find_model([row.model], alias.name) and alias.model != alias.name:
                yield f"the alias '{alias.name}' hides a model of {row.backend}"


def completable_models(
    reports: Sequence[BackendReport], chosen: str | None
) -> list[str]:
    """Return the names by which `-m` reaches the models that were found.

    Those of the backend that would be asked are plain, the others `BACKEND/M`.
    `chosen` is its name, None when discovery decides: then it is the first one that
    answers, as there. With a single report the backend was named, and no name is ever
    split. Names that a shell could take for something else are left out.
    """
    if chosen is None:
        answering = [r for r in reports if r.is_reachable and r.kind != "embedded"]
        chosen = (answering or reports)[0].name if reports else None
    prefixes = {report.name.lower() for report in reports} if len(reports) > 1 else ()
    found = []
    for row in model_rows(reports):
        if row.model.is_embedding:
            continue  # It answers nobody.
        name = row.model.name
        is_split = "/" in name and name.partition("/")[0].lower() in prefixes
        is_plain = row.backend == chosen and not is_split
        found.append(name if is_plain else f"{row.backend}/{name}")
    return completable(found)


def completable(names: Iterable[str]) -> list[str]:
    """Return the names that may stand on a command line as they are."""
    return [name for name in dict.fromkeys(names) if _SAFE.fullmatch(name)]


def outlined(details: Mapping[str, Json], place: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and texts, one line each, of all that a backend tells.

    Of a text with several lines the first is shown; what is empty is left out.
    """
    for name, value in details.items():
        dotted = f"{place}{name}"
        if isinstance(value, dict):
            yield from outlined(value, f"{dotted}.")
        elif isinstance(value, str) and value.strip():
            yield dotted, _first_line(value)
        elif isinstance(value, list) and value:
            yield dotted, _listed(value)
        elif isinstance(value, bool | int | float):
            yield dotted, json.dumps(value)


def _first_line(text: str) -> str:
    first, *others = text.strip().splitlines()
    return f"{first} (and {_counted(len(others), 'more line')})" if others else first


def _listed(values: list[Json]) -> str:
    if all(isinstance(value, str) for value in values):
        return ", ".join(map(str, values))
    return _counted(len(values), "item")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
