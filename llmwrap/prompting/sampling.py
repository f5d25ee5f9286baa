"""How an answer is drawn, from options and configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..backends.options import LIMIT_NAMES, SEED_NAMES, own_limit
from ..errors import UsageError
from ..messages import Json, Sampling

# What the servers call a named setting, so that a default of the configuration does
# not stand against an option that says otherwise.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "max_tokens": LIMIT_NAMES,
    "seed": SEED_NAMES,
    "top_p": ("top_p",),
    "stop": ("stop", "stop_sequences"),
}

DRAWING = frozenset(
    (
        *(name for names in _NAMES.values() for name in names),
        *["top_k", "min_p", "typical_p", "presence_penalty", "frequency_penalty"],
        *["repeat_penalty", "repetition_penalty", "repeat_last_n"],
        *["mirostat", "mirostat_tau", "mirostat_eta"],
    )
)
"""Options that say how an answer is drawn and where it ends, and nothing else."""


def synonyms(name: str) -> frozenset[str]:
    """Return every name of the setting that an option is, its own among them."""
    for names in _NAMES.values():
        if name in names:
            return frozenset(names)
    return frozenset((name,))


def with_options(
    named: Sampling, options: Mapping[str, Json], defaults: Mapping[str, Json]
) -> Sampling:
    """Return `named` with the options of `-o` over those of the configuration.

    A named setting, and an option, win over a default of the same meaning; `-o` wins
    over both. Raises: UsageError for what no answer can be drawn with.
    """
    sampling = named._replace(options=_merged(named, options, defaults))
    _check(sampling)
    return sampling


def layered(*layers: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return options laid over one another, the last on top.

    What is laid over is what means the same, whatever it is called.
    """
    merged: Mapping[str, Json] = {}
    for layer in layers:
        merged = _merged(Sampling(), layer, merged)
    return merged


def _merged(
    named: Sampling, options: Mapping[str, Json], defaults: Mapping[str, Json]
) -> dict[str, Json]:
    spoken_for = {
        name
        for field, names in _NAMES.items()
        if getattr(named, field) not in (None, ())
        or not options.keys().isdisjoint(names)
        for name in names
    }
    merged = {k: v for k, v in defaults.items() if k not in spoken_for}
    merged.update(options)
    for name in _NAMES["stop"]:
        if (stop := merged.get(name)) is not None and not isinstance(stop, list):
            merged[name] = [stop if isinstance(stop, str) else json.dumps(stop)]
    return merged


def _check(sampling: Sampling) -> None:
    if own_limit(sampling) == 0:
        raise UsageError(
            "an answer of at most 0 tokens is none",
            hint="--max-tokens takes 1 or more; without it there is no limit",
        )
    several = sampling.options.get("n")
    if isinstance(several, int | float) and several > 1:
        raise UsageError(
            f"'n={several}' asks for several answers, and there is room for one",
            hint="ask once for each",
        )
