"""Import requests without what a one-shot never uses.

A tenth of that import is charset_normalizer, which guesses the encoding of texts;
everything here reads bytes. Only for a process of our own that ends after one answer:
in somebody else's program requests has to stay as it is.
"""

from __future__ import annotations

import sys
import threading
import warnings

_GUESSERS = ("chardet", "charset_normalizer")
_importing = threading.Lock()


def import_requests() -> None:
    """Import requests, for the first time in this process, without its guessers.

    They can be imported afterwards as ever; requests then takes texts for UTF-8. Any
    thread may call it.
    """
    with _importing:
        if "requests" not in sys.modules:
            _import_requests()


def _import_requests() -> None:
    hidden = [name for name in _GUESSERS if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # "cannot be imported"
    with warnings.catch_warnings():
        # requests says that it misses them.
        warnings.simplefilter("ignore")
        import requests  # noqa: F401  for its being there
    for name in hidden:
        del sys.modules[name]
