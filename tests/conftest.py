"""The fixtures every test may use: a home, a command line, a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .fakeserver import FakeServer
from .fakeserver.ports import RefusedPort
from .runner import Home, Runner


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give an empty home directory, where nothing answers as Ollama."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    with RefusedPort() as port:
        yield Home(path, port.url)


@pytest.fixture
def cli(home: Home) -> Runner:
    """Give what runs command lines in the home."""
    return Runner(home)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Give a server with the models alpha:latest and beta:7b that speaks all APIs."""
    with FakeServer() as running:
        yield running
