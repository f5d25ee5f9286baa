"""What may be wrong with a set-up, each thing looked at by itself.

Values in, findings out; nothing here asks a server. diagnosis.py puts them together.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from .. import paths
from ..backends.base import Model
from ..config import BackendConfig, Config, mask_secrets
from ..config.api_key import read_api_key
from ..engine.discovery import is_loopback
from ..errors import ConfigError, LLMWrapError
from ..named_files import is_read_once

SPECIFIED_FILE = "enhanced-config.toml"
"""The file that the specification has, and that a user may expect to be read."""

SMALL_CONTEXT_TOKENS = 4096
"""The context length Ollama loads with on most machines, whatever the model could."""

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

Severity: TypeAlias = Literal["ok", "note", "warning", "error"]


class Finding(NamedTuple):
    """One thing about a set-up; `hint` is what to do, empty where nothing is.

    `subject` is one word: configuration, directory, key, proxy, choice, backend,
    model, context. An error is what `ask` would end with; a note is worth knowing.
    """

    severity: Severity
    subject: str
    message: str
    hint: str = ""


def error_finding(
    subject: str, error: LLMWrapError, severity: Severity = "error"
) -> Finding:
    """Return what an error says as a finding."""
    return Finding(severity, subject, error.message, error.hint)


def config_findings(config: Config) -> Iterator[Finding]:
    """Yield which file is in force, and the warnings of reading it."""
    if config.path is None:
        yield Finding(
            "ok",
            "configuration",
            "there is no file: defaults are in force",
            "'llmwrap config init' writes one",
        )
    else:
        yield Finding("ok", "configuration", f"'{config.path}' is in force")
    for warning in config.warnings:
        yield Finding("warning", "configuration", warning)


def stray_file_findings(directory: str, in_force: str | None) -> Iterator[Finding]:
    """Yield a warning for a configuration in the working directory that is not read."""
    path = os.path.join(directory, SPECIFIED_FILE)
    if not os.path.isfile(path) or _is_same_file(path, in_force):
        return
    yield Finding(
        "warning",
        "configuration",
        f"'{SPECIFIED_FILE}' in the working directory is not read",
        f"give --config {SPECIFIED_FILE}, or set LLMWRAP_CONFIG to its path",
    )


def proxy_findings(
    backend: BackendConfig, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what stands, or seems to stand, between us and a backend."""
    address = backend.base_url
    if not address:
        return
    if backend.proxy:
        if is_loopback(address):
            yield Finding(
                "warning",
                "proxy",
                f"'{backend.name}' at {address} is on this machine, but is asked"
                f" through the proxy '{mask_secrets(backend.proxy)}'",
                f"remove backends.{backend.name}.proxy",
            )
        return
    variable = _proxy_variable(environ)
    if variable and is_loopback(address):
        yield Finding(
            "note",
            "proxy",
            f"{variable} is set; '{backend.name}' at {address} is on this machine and"
            " is asked without it",
        )
    elif variable:
        yield Finding(
            "warning",
            "proxy",
            f"{variable} is set, but '{backend.name}' at {address} is asked without it",
            f"if it is needed, set backends.{backend.name}.proxy",
        )


def key_findings(
    backends: Iterable[BackendConfig], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield a warning for each key that cannot be read, or that others may read."""
    for backend in backends:
        if is_read_once(backend.api_key_file or ""):
            continue  # It is for whoever asks.
        try:
            found = read_api_key(backend, environ)
        except ConfigError as error:
            yield error_finding("key", error, "warning")
            continue
        for warning in found.warnings:
            yield Finding("warning", "key", warning)


def directory_findings(
    environ: Mapping[str, str], cache_path: str | None = None
) -> Iterator[Finding]:
    """Yield what keeps the program's directories from being used, or private.

    `cache_path` is what the configuration says instead of the XDG place. One that is
    missing is made when it is needed, if it can be.
    """
    places = {
        "configuration": paths.config_dir(environ),
        "cache": cache_path or paths.cache_dir(environ),
        "state": paths.state_dir(environ),
        "data": paths.data_dir(environ),
    }
    is_fine = True
    for what, path in places.items():
        complaint = _directory_complaint(path, is_config=what == "configuration")
        if complaint:
            is_fine = False
            message = f"the {what} directory '{path}' {complaint[0]}"
            yield Finding("warning", "directory", message, complaint[1])
    if is_fine:
        yield Finding("ok", "directory", f"{', '.join(places)}: usable and private")


def context_findings(
    model: Model, trained_tokens: int | None, asked_tokens: int | None, option: str
) -> Iterator[Finding]:
    """Yield a warning when the context that is in force is small.

    `trained_tokens` is what the model was trained for, None when that is not known;
    `asked_tokens` what the configuration asks for with each request, by `option`
    (empty where a request cannot).
    """
    in_force = asked_tokens
    if model.is_loaded is False:
        known = model.trained_tokens or model.context_tokens
        trained_tokens = trained_tokens or known
    else:
        in_force = asked_tokens or model.context_tokens
    longest = trained_tokens or in_force
    if in_force is None or longest is None:
        in_force = longest
    if in_force is None or longest is None:
        return
    if in_force > longest:
        what = f"{option} asks '{model.name}' for a context of {in_force} tokens; it"
        yield _context_warning(f"{what} was trained for {longest}", "ask for less")
    elif in_force < longest and in_force <= SMALL_CONTEXT_TOKENS:
        wanted = min(longest, 4 * SMALL_CONTEXT_TOKENS)
        hint = "load it with a longer context"
        if option:
            hint = f"ask with -o {option}={wanted}, or set it in [defaults] options"
        what = (
            f"'{model.name}' has a context of {in_force} tokens in force, of {longest}"
        )
        yield _context_warning(f"{what}; a longer prompt is refused", hint)
    elif in_force == longest and longest <= SMALL_CONTEXT_TOKENS // 2:
        what = f"'{model.name}' has a context of only {longest} tokens"
        yield _context_warning(what, "take another model, or load it with a longer one")


def _context_warning(message: str, hint: str) -> Finding:
    return Finding("warning", "context", message, hint)


def _is_same_file(path: str, other: str | None) -> bool:
    try:
        return other is not None and os.path.samefile(path, other)
    except OSError:
        return False


def _proxy_variable(environ: Mapping[str, str]) -> str | None:
    for name in _PROXY_VARIABLES:
        for variable in (name.lower(), name):
            if environ.get(variable):
                return variable
    return None


def _directory_complaint(path: str, *, is_config: bool) -> tuple[str, str] | None:
    """Return what is wrong with a directory and what to do, None for nothing."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        parent = _existing_parent(path)
        if os.access(parent, os.W_OK | os.X_OK):
            return None
        return f"cannot be made in '{parent}'", "set the XDG_* variables elsewhere"
    except OSError as error:
        return f"cannot be used: {error.strerror}", "set the XDG_* variables elsewhere"
    if not stat.S_ISDIR(status.st_mode):
        return "is no directory", "move it away"
    if status.st_uid not in (os.getuid(), os.geteuid()):
        return "belongs to another user", "set the XDG_* variables elsewhere"
    # A configuration may be read-only, and others may read it: keys are elsewhere.
    if not (is_config or os.access(path, os.W_OK | os.X_OK)):
        return "is not writable", "run 'chmod u+rwx' on it"
    if status.st_mode & (0o022 if is_config else 0o077):
        return "is open to others", "run 'chmod 700' on it"
    return None


def _existing_parent(path: str) -> str:
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
