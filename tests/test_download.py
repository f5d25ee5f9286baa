"""Downloads: whole or not at all, resumed, checked."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.errors import (
    DeadlineError,
    IncompleteError,
    OutputError,
    ProtocolError,
)
from llmwrap.models.download import Download, download
from llmwrap.models.fetch import FetchSettings

from .fileserver import File, FileServer

BODY = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(BODY).hexdigest()
SETTINGS = FetchSettings({})
Progress = list[tuple[int, int | None, str]]


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Give a file server."""
    server = FileServer()
    yield server
    server.close()


def fetched(
    server: FileServer,
    directory: Path,
    *,
    url: str = "/file",
    sha256: str = "",
    begins_with: bytes = b"",
    settings: FetchSettings = SETTINGS,
) -> tuple[Path, Progress]:
    """Download a file of the server to `directory/file`."""
    target, progress = directory / "file", Progress()
    url = server.url + url if url.startswith("/") else url
    wanted = Download(url, str(target), sha256, begins_with)
    download(wanted, settings, lambda *step: progress.append(step))
    return target, progress


def left_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_file_is_fetched_and_told_how_far_it_is(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY)

    target, progress = fetched(server, tmp_path)

    assert target.read_bytes() == BODY
    assert left_in(tmp_path) == {"file"}
    assert progress[0] == (0, len(BODY), "downloading")
    assert (len(BODY), len(BODY), "downloading") in progress
    assert progress[-1] == (len(BODY), len(BODY), "checking")
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_of_unknown_length_is_fetched(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY, has_length=False)

    target, progress = fetched(server, tmp_path)

    assert target.read_bytes() == BODY
    assert progress[0] == (0, None, "downloading")


def test_the_digest_is_returned(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"] = File(BODY)
    wanted = Download(server.url + "/file", str(tmp_path / "file"))

    assert download(wanted, SETTINGS, lambda *_: None) == DIGEST


def test_a_file_that_breaks_off_is_continued_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY, etag='"a"', break_after_bytes=400_000)

    target, _ = fetched(server, tmp_path)

    assert target.read_bytes() == BODY
    ranges = [request.headers.get("range") for request in server.requests]
    assert ranges == [None, "bytes=400000-", "bytes=800000-"]
    assert server.requests[1].headers["if-range"] == '"a"'


def test_what_broke_off_is_kept_for_the_next_call(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY, etag='"a"', break_after_bytes=1000)
    with pytest.raises(IncompleteError, match="broke off"):
        fetched(server, tmp_path)
    assert left_in(tmp_path) == {"file.part", "file.part.json"}
    kept = (tmp_path / "file.part").stat().st_size
    server.files["/file"] = File(BODY, etag='"a"')

    target, progress = fetched(server, tmp_path)

    assert kept >= 1000
    assert progress[0] == (kept, len(BODY), "downloading")
    assert target.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(b"x" * len(BODY), etag='"a"', break_after_bytes=999)
    with pytest.raises(IncompleteError):
        fetched(server, tmp_path)
    server.files["/file"] = File(BODY, etag='"b"')

    target, _ = fetched(server, tmp_path)

    assert target.read_bytes() == BODY


def test_a_weak_validator_is_not_resumed_by(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"] = File(b"x" * 50_000, etag='W/"a"', break_after_bytes=999)
    with pytest.raises(IncompleteError):
        fetched(server, tmp_path)
    server.files["/file"] = File(BODY, etag='W/"a"')

    target, _ = fetched(server, tmp_path)

    assert target.read_bytes() == BODY
    assert "range" not in server.requests[-1].headers


def test_the_rest_of_another_url_is_not_used(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/other"] = File(b"x" * 50_000, etag='"a"', break_after_bytes=999)
    with pytest.raises(IncompleteError):
        fetched(server, tmp_path, url="/other")
    server.files["/file"] = File(BODY, etag='"a"')

    target, _ = fetched(server, tmp_path)

    assert target.read_bytes() == BODY


def test_with_a_checksum_no_validator_is_needed_to_resume(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    server.files["/file"] = File(BODY)

    target, progress = fetched(server, tmp_path, sha256=DIGEST)

    assert progress[0] == (5000, len(BODY), "downloading")
    assert target.read_bytes() == BODY


def test_a_wrong_rest_is_fetched_anew_once(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"wrong" * 1000)
    server.files["/file"] = File(BODY)

    target, _ = fetched(server, tmp_path, sha256=DIGEST)

    assert target.read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_server_that_knows_no_ranges_sends_all_again(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    server.files["/file"] = File(BODY, ignores_range=True)

    target, _ = fetched(server, tmp_path, sha256=DIGEST)

    assert target.read_bytes() == BODY


def test_a_part_that_is_whole_already_is_only_checked(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(BODY)
    server.files["/file"] = File(BODY)

    target, progress = fetched(server, tmp_path, sha256=DIGEST)

    assert target.read_bytes() == BODY
    assert {label for *_, label in progress} == {"checking"}


def test_a_part_that_is_too_long_is_fetched_anew(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(BODY + b"x")
    server.files["/file"] = File(BODY)

    target, _ = fetched(server, tmp_path, sha256=DIGEST)

    assert target.read_bytes() == BODY


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"validator": 1}', b"\xff"])
def test_a_damaged_record_means_to_begin_anew(
    server: FileServer, tmp_path: Path, record: bytes
) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 5000)
    (tmp_path / "file.part.json").write_bytes(record)
    server.files["/file"] = File(BODY, etag='"a"')

    target, _ = fetched(server, tmp_path)

    assert target.read_bytes() == BODY
    assert left_in(tmp_path) == {"file"}


def test_a_wrong_checksum_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"] = File(BODY + b"!")

    with pytest.raises(ProtocolError, match=f"not {DIGEST}"):
        fetched(server, tmp_path, sha256=DIGEST)

    assert left_in(tmp_path) == set()


def test_a_wrong_start_ends_the_download_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(b"<html>" + BODY)

    with pytest.raises(ProtocolError, match="begins with b'<htm'"):
        fetched(server, tmp_path, begins_with=b"GGUF")

    assert left_in(tmp_path) == set()


def test_the_old_file_stays_when_the_new_one_fails(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    server.files["/file"] = File(BODY)

    with pytest.raises(ProtocolError):
        fetched(server, tmp_path, sha256="0" * 64)

    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_full_disk_is_one_error_and_leaves_nothing(
    server: FileServer, tmp_path: Path
) -> None:
    # A limit of this process stands in for the disk: EFBIG instead of ENOSPC.
    server.files["/file"] = File(BODY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            fetched(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old_handler)

    assert left_in(tmp_path) == set()


def test_a_file_larger_than_the_disk_is_not_begun(
    server: FileServer, tmp_path: Path
) -> None:
    length = (("Content-Length", str(10**17)),)
    server.files["/file"] = File(BODY, headers=length, has_length=False)

    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        fetched(server, tmp_path)

    assert left_in(tmp_path) == set()


def test_two_downloads_of_one_file_do_not_mix(
    server: FileServer, tmp_path: Path
) -> None:
    with open(tmp_path / "file.part", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(OutputError, match="by another process"):
            fetched(server, tmp_path)


def test_a_link_in_the_place_of_the_part_is_not_followed(
    server: FileServer, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file.part").symlink_to(victim)

    with pytest.raises(OutputError):
        fetched(server, tmp_path)

    assert victim.read_bytes() == b"precious"


def test_a_missing_directory_is_an_output_error(
    server: FileServer, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        fetched(server, tmp_path / "absent")


def test_a_compressed_file_is_not_taken_for_the_file(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY, headers=(("Content-Encoding", "gzip"),))

    with pytest.raises(ProtocolError, match="compressed"):
        fetched(server, tmp_path)

    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_another_range_than_asked_for_is_an_error(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    content_range = (("Content-Range", "bytes 7-9/10"),)
    server.files["/file"] = File(
        b"abc", status=206, headers=content_range, ignores_range=True
    )

    with pytest.raises(ProtocolError, match="another range"):
        fetched(server, tmp_path, sha256=DIGEST)


def test_a_passed_deadline_ends_a_download_that_still_moves(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = File(BODY)
    times = iter([0.0] + [100.0] * 50)
    settings = FetchSettings({}, until=50.0, clock=lambda: next(times))

    with pytest.raises(DeadlineError, match="not fetched in time"):
        fetched(server, tmp_path, settings=settings)


def test_a_killed_download_goes_on_where_it_was(
    server: FileServer, tmp_path: Path
) -> None:
    """What was written when the process dies must be in the file, and usable."""
    server.files["/file"] = File(BODY, etag='"a"')
    program = (
        "import os, signal, sys\n"
        "from llmwrap.models.download import Download, download\n"
        "from llmwrap.models.fetch import FetchSettings\n"
        "def die(done, total, label):\n"
        "    if done > 200_000: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"download(Download({server.url + '/file'!r}, {str(tmp_path / 'file')!r}),"
        " FetchSettings({}), die)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        timeout=60,
        check=False,
    )
    record = json.loads((tmp_path / "file.part.json").read_bytes())

    target, progress = fetched(server, tmp_path)

    assert killed.returncode == -signal.SIGKILL
    assert record["validator"] == '"a"'
    assert progress[0][0] > 200_000
    assert target.read_bytes() == BODY
