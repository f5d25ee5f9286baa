"""What helps against an error of a server, by how the server was chosen.

Lower floors say what is wrong (`LLMWrapError.trouble`). What to do about it depends on
more than they know: a key goes to an address of an option by another way than to that
of a table, `models` asks whom its own options name, and only Ollama pulls. So every
hint about a server is made here, out of the error, the way to the server and what was
asked; what nothing helps against gets none. tests/test_hints.py follows each of them.

Not for hints about options of our own, such as the time-outs: those are always right.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin

from ..backends import create_backend
from ..backends.base import Backend, BackendSettings, Model
from ..backends.ollama_host import parse_ollama_host
from ..config import (
    BUILT_IN_BASE_URLS,
    BackendConfig,
    Config,
    config_path,
    mask_secrets,
)
from ..errors import ConfigError, LLMWrapError, RefusedError
from ..messages import Request
from .choice import Choice
from .discovery import is_loopback
from .selection import OWN_VARIABLES

_ASIDE_S = 0.25  # beside what is to be told
_ASKING_S = 1.0  # a server that has just answered, asked for what it has
_ROOM_TOKENS = 1024  # for an answer, and what such numbers are rounded up to
_SMALL_CONTEXT = 2048
_PASTED = (
    *("/chat/completions", "/completions", "/models"),
    *("/api/chat", "/api/generate", "/api/tags", "/api"),
)
_PATHS = (
    *("/api/chat", "/api/show", "/api/tags", "/api/ps", "/api/version"),
    *("/chat/completions", "/models"),
)


class Way(NamedTuple):
    """How a backend was chosen.

    `backend` is as it is asked; `named` is the model as the user wrote it, which may
    name a backend too. `until` is the deadline on the monotonic clock.
    """

    backend: BackendConfig
    config: Config
    choice: Choice
    environ: Mapping[str, str]
    named: str = ""

    @property
    def has_table(self) -> bool:
        """Tell whether it is the backend of a table of the configuration."""
        is_built_in = self.choice.base_url and not self.choice.backend
        return self.backend.name in self.config.backends and not is_built_in

    @property
    def is_at_home(self) -> bool:
        """Tell whether it is asked at its table's address, with its table's key."""
        if not self.has_table or self.variable("base_url") in self.environ:
            return False
        table = self.config.backends[self.backend.name]
        return not self.choice.base_url or table.base_url == self.backend.base_url

    @property
    def prefix(self) -> str:
        """Return the `BACKEND/` that chose the backend, if the model's name did."""
        if self.choice.base_url or self.choice.backend:
            return ""
        before, slash, _ = self.named.partition("/")
        is_it = before.lower() == self.backend.name.lower()
        return before + slash if is_it else ""

    def variable(self, key: str) -> str:
        """Return the variable that sets a key of the backend's table."""
        name = self.backend.name.upper().replace("-", "_")
        return f"LLMWRAP_BACKENDS_{name}_{key.upper()}"

    def setting(self, key: str) -> str:
        """Return how to name a key of the backend's table, by where it is set."""
        variable = self.variable(key)
        if variable in self.environ:
            return variable
        return f"{key} in [backends.{self.backend.name}]"

    def options(self) -> str:
        """Return the options with which another command asks the same backend."""
        words: list[str] = []
        path = self.config.path
        if path and path != config_path(None, self.environ):
            words += ("--config", path)
        if self.choice.backend:
            words += ("-b", self.choice.backend)
        elif self.prefix:
            words += ("-b", self.backend.name)
        if self.choice.base_url:
            words += ("--base-url", self.choice.base_url)
        return "".join(f" {shlex.quote(word)}" for word in words)

    def to_address(self, kind: str, address: str) -> str:
        """Return what leads to another address of the same server."""
        if self.is_at_home and kind == self.backend.kind:
            return f'base_url = "{address}" in [backends.{self.backend.name}]'
        if variable := self._own_variable(kind):
            return f"{variable}={address}"
        words = ["--base-url", address]
        inferred = "openai" if address.endswith("/v1") else "ollama"
        if self.choice.backend or kind != inferred:
            words += ("-b", kind)
        if self.prefix:
            words += ("-m", self.named.removeprefix(self.prefix))
        return shlex.join(words)

    def _own_variable(self, kind: str) -> str:
        """Return the variable of its own programs that names the server, if one does.

        Its key goes with that one only, and not with an option.
        """
        is_named = self.choice.base_url or self.has_table or kind != self.backend.kind
        variable = "" if is_named else OWN_VARIABLES.get(kind, "")
        return variable if self.environ.get(variable) else ""


class _Case(NamedTuple):
    """An error, the way to the backend it is about, and what was asked of it."""

    error: LLMWrapError
    way: Way
    backend: Backend
    request: Request | None

    def models(self, timeout_s: float = _ASKING_S) -> list[Model]:
        """Return what the backend has, nothing where it does not say."""
        try:
            return self.backend.models(timeout_s=timeout_s)
        except LLMWrapError:
            return []


def advise(
    error: LLMWrapError, way: Way, backend: Backend, request: Request | None = None
) -> None:
    """Give an error of a backend the hint that helps, if there is one.

    May ask the server for what it has.
    """
    if error.hint or not error.trouble:
        return
    shown = (way.backend.base_url or "", way.choice.base_url or "")
    if any(mask_secrets(address) != address for address in shown):
        return  # A hint would have to show what nobody may see.
    case = _Case(error, way, backend, request)
    if error.trouble == "model" and isinstance(error, RefusedError):
        _name_upstream(error, case)
    error.hint = _HINTS[error.trouble](case)


def native_of(way: Way) -> tuple[Backend | None, str]:
    """Return Ollama's own API behind its /v1, and what leads there.

    None and nothing where it does not answer: a gateway may stand in between.
    """
    root = (way.backend.base_url or "").removesuffix("/v1")
    settings = BackendSettings("ollama", "ollama", root, way.environ)
    native = create_backend(settings)
    try:
        native.version(timeout_s=_ASKING_S)
    except LLMWrapError:
        return None, ""
    return native, way.to_address("ollama", root)


def context_in_force(native: Backend, model: str) -> int | None:
    """Return the context length of a model that is loaded, None where it is not."""
    try:
        models = native.models(timeout_s=_ASKING_S)
    except LLMWrapError:
        return None
    for one in models:
        if one.is_loaded and one.name.removesuffix(":latest") == model.removesuffix(
            ":latest"
        ):
            return one.context_tokens
    return None


def warming(way: Way, backend: Backend, model: str) -> str:
    """Return how to load a model ahead, nothing where the backend cannot."""
    if not backend.can_warm:
        return ""
    return f"'llmwrap models warm{way.options()} {shlex.quote(model)}' loads it"


def _down(case: _Case) -> str:
    backend = case.way.backend
    address = backend.base_url or ""
    if not is_loopback(address):
        return ""
    if backend.kind == "ollama":
        start = "ollama serve"
        if not _is_own_host(address, case.way.environ):
            start = f"OLLAMA_HOST={address.partition('://')[2]} {start}"
        return f"'{start}' starts it"
    if backend.kind == "lmstudio":
        port = address.removesuffix("/v1").rpartition(":")[2]
        is_usual = address == BUILT_IN_BASE_URLS["lmstudio"]
        return f"'lms server start{'' if is_usual else f' --port {port}'}' starts it"
    return ""


def _is_own_host(address: str, environ: Mapping[str, str]) -> bool:
    """Tell whether `ollama serve`, started here, would listen at an address."""
    try:
        own = parse_ollama_host(environ.get("OLLAMA_HOST", ""))
    except ConfigError:
        return False
    return own == address.replace("://localhost", "://127.0.0.1")


def _certificate(case: _Case) -> str:
    if case.way.has_table:
        return f"{case.way.setting('ca_bundle')} names the certificates to trust"
    return "REQUESTS_CA_BUNDLE names the certificates to trust"


def _no_tls(case: _Case) -> str:
    address = (case.way.backend.base_url or "").replace("https:", "http:", 1)
    return _found_at(case, [(case.way.backend.kind, address)])


def _proxy(case: _Case) -> str:
    return f"without {case.way.setting('proxy')} it is asked directly"


def _proxy_login(case: _Case) -> str:
    return f"{case.way.setting('proxy')} takes them: http://USER:PASSWORD@HOST"


def _key(case: _Case) -> str:
    way = case.way
    if way.config.api_key is None and way.is_at_home:
        where = f"[backends.{way.backend.name}]"
        return f"api_key_env or api_key_file in {where} names its key"
    is_own = way.backend.kind == "openai" and way.environ.get("OPENAI_BASE_URL")
    is_plain = not (way.config.api_key or way.choice.base_url or way.has_table)
    name = "OPENAI_API_KEY" if is_own and is_plain else "LLMWRAP_API_KEY"
    return f"{name} holds its key"


def _path(case: _Case) -> str:
    whole = address = (case.way.backend.base_url or "").rstrip("/")
    for path in _PASTED:  # the address of a request, copied whole
        address = address.removesuffix(path)
    root, kind = address.removesuffix("/v1"), case.way.backend.kind
    places = [
        (kind if kind == "lmstudio" else "openai", f"{root}/v1"),
        ("ollama", root),
    ]
    if "/api" in whole.removeprefix(root):
        places.reverse()
    return _found_at(case, places)


def _found_at(case: _Case, places: list[tuple[str, str]]) -> str:
    """Return what leads to the first of the places where a server answers."""
    for kind, address in places:
        settings = BackendSettings(kind, kind, address, case.way.environ)
        if address == case.way.backend.base_url:
            continue
        probed = create_backend(settings)
        try:
            probed.version(timeout_s=_ASKING_S)
        except RefusedError as error:
            if error.trouble != "key":
                continue
        except LLMWrapError:
            continue
        finally:
            probed.close()
        return f"{case.way.to_address(kind, address)} leads to its API"
    return ""


def _redirect(case: _Case) -> str:
    target = urljoin(f"{case.way.backend.base_url}/", case.error.about)
    for path in _PATHS:
        base = target.removesuffix(path)
        if base != target and base.startswith("http") and mask_secrets(base) == base:
            return f"{case.way.to_address(case.way.backend.kind, base)} leads there"
    return ""


def _name_upstream(error: RefusedError, case: _Case) -> None:
    """Say that it is what is behind a gateway that does not have a model.

    A gateway that has the model in its own list passes on what another server says.
    """
    if error.said and any(model.name == error.about for model in case.models()):
        way = case.way.backend
        where = f"{way.name} at {way.base_url}"
        error.message = (
            f"{where} has '{error.about}', but the server behind it says: {error.said}"
        )
        error.trouble = "upstream"


def _model(case: _Case) -> str:
    way, wanted = case.way, case.error.about
    listed = [name for model in case.models() for name in (model.name, *model.aliases)]
    names = [name for name in listed if "*" not in name]  # a gateway's are no names
    if way.prefix and way.named in names:
        return f"-b {way.backend.name} -m {shlex.quote(way.named)} asks for that one"
    if near := _nearest(wanted, names):
        return f"it has -m {shlex.quote(way.prefix + near)}"
    options = way.options()
    if case.way.backend.kind == "ollama":
        return f"'llmwrap models pull{options} {shlex.quote(wanted)}' fetches it"
    return f"'llmwrap models{options}' lists what it has" if names else ""


def _nearest(wanted: str, names: list[str]) -> str:
    """Return the name that was meant, without its tag or its owner perhaps."""
    from difflib import get_close_matches  # late: few errors need it

    known = {
        part.lower(): name
        for name in reversed(names)
        for part in (name.partition(":")[0], name.rpartition("/")[2], name)
    }
    near = get_close_matches(wanted.lower(), known, 1)
    return known[near[0]] if near else ""


def _no_model(case: _Case) -> str:
    if case.way.backend.kind == "ollama":
        pull = f"llmwrap models pull{case.way.options()} llama3.2"
        return f"pull one, for example '{pull}'"
    if case.way.backend.kind == "lmstudio":
        return "'lms get' fetches one"
    return "name one with -m"  # An empty list is not always the truth.


def _context(case: _Case) -> str:
    error, option = case.error, case.backend.context_option
    needed = error.prompt_tokens if isinstance(error, RefusedError) else None
    if not option or case.request is None:
        if case.way.backend.kind == "lmstudio":
            return "shorten it, or load the model with a longer context"
        return "shorten it, or start the server with a longer context"
    asked = case.request.sampling.options.get(option)
    limit = _limit(case)
    if needed is None:
        return "shorten it"
    fitting = -(-(needed + _ROOM_TOKENS) // _ROOM_TOKENS) * _ROOM_TOKENS
    if limit is not None and fitting > limit:
        fitting = limit
    if fitting <= needed:
        return f"shorten it: the model takes {limit} tokens at most"
    if isinstance(asked, int | float) and asked >= fitting:
        return "shorten it"  # It was asked for, and the server did not give it.
    return f"ask with -o {option}={fitting}"


def _limit(case: _Case) -> int | None:
    name = case.request.model if case.request else ""
    try:
        return case.backend.context_limit(name, timeout_s=_ASKING_S)
    except LLMWrapError:
        return None


def _cut_prompt(case: _Case) -> str:
    _, there = native_of(case.way)
    if there:
        return f"{there} refuses it instead"
    if case.way.backend.kind == "lmstudio":
        return "shorten it, or load the model with a longer context"
    return "shorten it, or start the server with a longer context"


def _silent(case: _Case) -> str:
    """Return what to do about a server that sends no token: it may be loading."""
    wanted = case.request.model.removesuffix(":latest") if case.request else ""
    for model in case.models(_ASIDE_S):
        names = [name.removesuffix(":latest") for name in (model.name, *model.aliases)]
        if wanted in names and model.is_loaded is False:
            return f"it still loads '{wanted}': --first-token-timeout waits longer"
    return "--first-token-timeout waits longer, for a model that loads"


def _memory(case: _Case) -> str:
    hint, option = "a smaller model needs less memory", case.backend.context_option
    asked = case.request.sampling.options.get(option) if case.request else None
    is_small = isinstance(asked, int | float) and asked <= _SMALL_CONTEXT
    if not option or is_small:
        return hint
    return f"{hint}, and so does a shorter context: -o {option}={_SMALL_CONTEXT}"


_HINTS: Mapping[str, Callable[[_Case], str]] = {
    "down": _down,
    "certificate": _certificate,
    "no_tls": _no_tls,
    "proxy": _proxy,
    "proxy_login": _proxy_login,
    "key": _key,
    "path": _path,
    "redirect": _redirect,
    "model": _model,
    "upstream": lambda _: "",
    "no_model": _no_model,
    "context": _context,
    "memory": _memory,
    "cut_prompt": _cut_prompt,
    "silent": _silent,
    "no_chat": lambda case: f"'llmwrap models{case.way.options()}' lists what it has",
}
