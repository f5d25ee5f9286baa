"""Files from public servers, resumed and checked, or not at all.

A download grows in `FILE.part` and is renamed to `FILE` when it is whole and its
checksum right. What broke off stays there, and the next call goes on from its end if
the server still has the same file: it is asked with If-Range for the validator that
`FILE.part.json` keeps, or the checksum is known and decides at the end.

See: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range Requests).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import NamedTuple

from ..errors import IncompleteError, LimitError, OutputError, ProtocolError
from ..files import lock_file, put_in_place, write_private
from .fetch import FetchSettings, Reply, fetch, public_url

_LARGEST_PAGE_BYTES = 32 << 20
_LARGEST_RECORD_BYTES = 64 * 1024
_CONTINUATIONS = 5
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

OnProgress = Callable[[int, int | None, str], None]
"""Called with the bytes done, those in all (None while unknown), and what is done."""


class Page(NamedTuple):
    """A small document; `url` is where the redirects ended."""

    url: str
    media_type: str
    body: bytes


class Download(NamedTuple):
    """A file to fetch.

    `sha256` (lower-case hex, may be empty) and `begins_with` must be right, else
    nothing is left in `path`.
    """

    url: str
    path: str
    sha256: str = ""
    begins_with: bytes = b""

    @property
    def part(self) -> str:
        """Return the path of the file while it is not whole."""
        return self.path + ".part"

    @property
    def record(self) -> str:
        """Return the path of what is known of the server's file."""
        return self.path + ".part.json"


def fetch_page(url: str, settings: FetchSettings, *, accept: str) -> Page:
    """Return a document of at most 32 MiB. Raises: LimitError, and as `download`."""
    body = bytearray()
    with fetch(url, settings, {"Accept": accept}) as reply:
        for chunk in reply.chunks():
            body += chunk
            if len(body) > _LARGEST_PAGE_BYTES:
                raise LimitError(f"'{reply.where}' is longer than 32 MiB")
        media_type = reply.headers.get("Content-Type", "").partition(";")[0]
        return Page(reply.url, media_type.strip().lower(), bytes(body))


def download(wanted: Download, settings: FetchSettings, on_progress: OnProgress) -> str:
    """Fetch a file, going on where an earlier call broke off; return its SHA-256.

    A connection lost on the way is replaced at once as long as each brings something.

    Raises: OutputError when it cannot be written or somebody else is fetching it,
    ProtocolError when it is not the file wanted, IncompleteError, UnreachableError,
    DeadlineError, RefusedError, BackendFailedError, UsageError.
    """
    with _writing(wanted), _locked_part(wanted) as file:
        _forget_unless_resumable(wanted, file)
        was_resumed = os.fstat(file.fileno()).st_size > 0
        _fetch_all(wanted, file, settings, on_progress)
        digest = _digest(file, on_progress)
        if was_resumed and wanted.sha256 not in ("", digest):
            file.truncate(0)
            _fetch_all(wanted, file, settings, on_progress)
            digest = _digest(file, on_progress)
        if wanted.sha256 not in ("", digest):
            _discard(wanted)
            raise ProtocolError(
                f"'{public_url(wanted.url)}' has the checksum {digest}, not"
                f" {wanted.sha256}"
            )
        put_in_place(file.fileno(), wanted.part, wanted.path)
        with suppress(FileNotFoundError):
            os.unlink(wanted.record)
    return digest


@contextmanager
def _writing(wanted: Download) -> Iterator[None]:
    """Map the errors of the disk; those of the network are ours already."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            _discard(wanted)
        raise OutputError(f"cannot write '{wanted.path}': {error.strerror}") from error


def _discard(wanted: Download) -> None:
    for path in (wanted.part, wanted.record):
        with suppress(OSError):
            os.unlink(path)


@contextmanager
def _locked_part(wanted: Download) -> Iterator[FileIO]:
    number = lock_file(wanted.part)
    if number is None:
        raise OutputError(f"'{wanted.path}' is being fetched by another process")
    # Unbuffered: what is written is in the file when we are killed.
    with os.fdopen(number, "r+b", buffering=0) as file:
        yield file


def _forget_unless_resumable(wanted: Download, file: FileIO) -> None:
    record = _read_record(wanted)
    if wanted.sha256 or record.get("url") == public_url(wanted.url):
        return
    file.truncate(0)
    with suppress(FileNotFoundError):
        os.unlink(wanted.record)


def _read_record(wanted: Download) -> dict[str, str]:
    try:
        with open(wanted.record, "rb") as file:
            record = json.loads(file.read(_LARGEST_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    return {k: v for k, v in record.items() if isinstance(v, str)}


def _write_record(wanted: Download, reply: Reply) -> None:
    etag = reply.headers.get("ETag", "")
    # A weak validator says "as good as", not "the same bytes".
    strong = "" if etag.startswith("W/") else etag
    record = {
        "url": public_url(wanted.url),
        "validator": strong or reply.headers.get("Last-Modified", ""),
    }
    write_private(wanted.record, json.dumps(record).encode(), is_synced=False)


def _fetch_all(
    wanted: Download, file: FileIO, settings: FetchSettings, on_progress: OnProgress
) -> None:
    for continuation in range(_CONTINUATIONS + 1):
        size_before = os.fstat(file.fileno()).st_size
        try:
            _fetch_rest(wanted, file, settings, on_progress)
            return
        except IncompleteError:
            has_grown = os.fstat(file.fileno()).st_size > size_before
            if continuation == _CONTINUATIONS or not has_grown:
                raise


def _fetch_rest(
    wanted: Download, file: FileIO, settings: FetchSettings, on_progress: OnProgress
) -> None:
    headers = _range_headers(wanted, file)
    with fetch(wanted.url, settings, headers) as reply:
        if reply.status != 416:
            _save(wanted, file, reply, on_progress)
            return
        size = os.fstat(file.fileno()).st_size
        if headers and reply.headers.get("Content-Range") == f"bytes */{size}":
            return  # It was whole already, only not checked and renamed.
        file.truncate(0)
    if not headers:
        raise ProtocolError(f"'{public_url(wanted.url)}' refuses to send the file")
    _fetch_rest(wanted, file, settings, on_progress)


def _range_headers(wanted: Download, file: FileIO) -> dict[str, str]:
    size = os.fstat(file.fileno()).st_size
    validator = _read_record(wanted).get("validator", "")
    if size and validator:
        return {"Range": f"bytes={size}-", "If-Range": validator}
    if size and wanted.sha256:
        return {"Range": f"bytes={size}-"}
    file.truncate(0)
    return {}


def _save(
    wanted: Download, file: FileIO, reply: Reply, on_progress: OnProgress
) -> None:
    done_bytes = _resume_at(file, reply)
    total_bytes = None
    if reply.length_bytes is not None:
        total_bytes = done_bytes + reply.length_bytes
        _check_room(wanted, reply.length_bytes)
    _write_record(wanted, reply)
    on_progress(done_bytes, total_bytes, "downloading")
    for chunk in reply.chunks():
        _write_all(file, chunk)
        done_bytes += len(chunk)
        _check_start(wanted, file, reply)
        on_progress(done_bytes, total_bytes, "downloading")


def _write_all(file: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _resume_at(file: FileIO, reply: Reply) -> int:
    """Return where the body belongs, having cut the file there."""
    if reply.status == 200:
        file.truncate(0)
    size = file.seek(0, os.SEEK_END)
    if reply.status == 206:
        place = re.match(r"bytes (\d+)-", reply.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != size:
            raise ProtocolError(f"'{reply.where}' sent another range than asked for")
    return size


def _check_room(wanted: Download, needed_bytes: int) -> None:
    disk = os.statvfs(os.path.dirname(wanted.path) or ".")
    if disk.f_bavail * disk.f_frsize < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _check_start(wanted: Download, file: FileIO, reply: Reply) -> None:
    start = os.pread(file.fileno(), len(wanted.begins_with), 0)
    if not wanted.begins_with.startswith(start):
        _discard(wanted)
        raise ProtocolError(
            f"'{reply.where}' is not the kind of file wanted: it begins with {start!r}"
        )


def _digest(file: FileIO, on_progress: OnProgress) -> str:
    size = os.fstat(file.fileno()).st_size
    on_progress(0, size, "checking")
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    on_progress(size, size, "checking")
    return digest
