"""Locales, homes and directories of every kind, around the real program."""

from __future__ import annotations

from pathlib import Path

import pytest

from .asking import address
from .fakeserver import FakeServer
from .runner import Runner

_WAIT_S = 30.0
_UNICODE = "Grüße, 世界 🌍"
_ANSWER = f"{_UNICODE}\n".encode()


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX", "LANG": None},
        {"LC_ALL": "xx_YY.nonsense"},
        {"LC_ALL": "de_DE.ISO-8859-1"},
        {"LANG": None, "TERM": None},
        {"HOME": None, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None},
        {"HOME": "/proc/nonexistent", "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None},
        {"PATH": None},
    ],
    ids=str,
)
def test_surroundings_change_nothing(
    cli: Runner, server: FakeServer, environ: dict[str, str | None]
) -> None:
    server.answer = [_UNICODE]

    result = cli.spawn(*address(server), _UNICODE, stdin=b"", environ=environ)

    assert (result.status, result.stdout, result.stderr) == (0, _ANSWER, "")
    assert server.requests[0].json["messages"][-1]["content"] == _UNICODE


def test_a_working_directory_that_is_gone_changes_nothing(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'

    process = cli.start(
        *address(server), "hi", cwd=gone, through=("/bin/sh", "-c", script, "sh")
    )
    stdout, stderr = process.communicate(b"", _WAIT_S)

    assert (process.returncode, stderr) == (0, b"")
    assert stdout.decode() == "".join(server.answer) + "\n"
