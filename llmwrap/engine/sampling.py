"""How an answer is drawn, from options and configuration. Floor F5."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..messages import Json, Sampling

# What the servers call a named setting, so that a default of the configuration does
# not stand against an option that says otherwise.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "num_predict", "max_completion_tokens", "n_predict"),
    "seed": ("seed",),
    "top_p": ("top_p",),
    "stop": ("stop",),
}


def with_options(
    named: Sampling, options: Mapping[str, Json], defaults: Mapping[str, Json]
) -> Sampling:
    """Return `named` with the options of `-o` over those of the configuration.

    A named setting, and an option, win over a default of the same meaning; `-o` wins
    over both.
    """
    spoken_for = {
        name
        for field, names in _NAMES.items()
        if getattr(named, field) not in (None, ())
        or not options.keys().isdisjoint(names)
        for name in names
    }
    merged = {k: v for k, v in defaults.items() if k not in spoken_for}
    merged.update(options)
    if (stop := merged.get("stop")) is not None and not isinstance(stop, list):
        merged["stop"] = [stop if isinstance(stop, str) else json.dumps(stop)]
    return named._replace(options=merged)
