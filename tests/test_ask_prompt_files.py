"""Files and images as parts of what `ask` asks."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from .asking import DIALECTS, OLLAMA, Dialect, ask, body, error, lines, prompt
from .fakeserver import FakeServer
from .runner import Home, Runner

PNG = b"\x89PNG\r\n\x1a\n\x00\xfb\xff image"


def test_files_are_named_in_the_prompt_in_their_order(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "a.txt").write_text("A\n")
    (home.path / "b.md").write_text("```\ncode\n```")

    ask(cli, server, "-f", "a.txt", "sum", "-f", "b.md", "up", stdin=b"piped\n")

    assert prompt(server) == (
        "sum up\n\na.txt:\n```\nA\n```\n\nb.md:\n````\n```\ncode\n```\n````\n\npiped"
    )


def test_nothing_in_a_file_ends_its_fence(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "a.md").write_text("1.\n   ````\n   code\n   ````\n")

    ask(cli, server, "-f", "a.md")

    first, *_, last = prompt(server).splitlines()[1:]
    assert first == last == "`````"


def test_a_file_alone_is_a_prompt(cli: Runner, server: FakeServer, home: Home) -> None:
    (home.path / "a.txt").write_text("A")

    ask(cli, server, "--file", "a.txt")

    assert prompt(server) == "a.txt:\n```\nA\n```"


def test_stdin_can_be_a_file(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "-f", "-", "sum up", stdin=b"A\n")

    assert prompt(server) == "sum up\n\nstdin:\n```\nA\n```"


def test_a_file_that_is_not_utf8_is_named_in_the_note(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "latin").write_bytes(b"\xe9")

    result = ask(cli, server, "-f", "latin")

    assert "\ufffd" in prompt(server)
    assert "'latin'" in lines(result, "note")[0]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["-f", "gone"], "'gone': No such file or directory"),
        (["-f", "."], "'.': Is a directory"),
        (["-i", "gone.png"], "'gone.png': No such file or directory"),
        (["-s", "@gone"], "'gone': No such file or directory"),
        (["-s", "@"], "cannot read"),
    ],
)
def test_what_cannot_be_read_is_status_3(
    cli: Runner, server: FakeServer, argv: list[str], reason: str
) -> None:
    result = ask(cli, server, *argv, "Hello")

    assert (result.status, result.stdout, server.requests) == (3, b"", [])
    assert reason in error(result)


# Images


def sent_images(message: dict[str, Any], dialect: Dialect) -> list[bytes]:
    if dialect is OLLAMA:
        assert message["content"] == "Describe"
        return [base64.b64decode(one, validate=True) for one in message["images"]]
    text, *images = message["content"]
    assert text == {"type": "text", "text": "Describe"}
    found = []
    for image in images:
        start, _, encoded = image["image_url"]["url"].partition(",")
        assert (image["type"], start) == ("image_url", "data:image/png;base64")
        found.append(base64.b64decode(encoded, validate=True))
    return found


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_images_are_encoded_as_each_api_wants_them(
    cli: Runner, server: FakeServer, home: Home, dialect: Dialect
) -> None:
    (home.path / "a.png").write_bytes(PNG)
    argv = ["-i", "a.png", "Describe", "--image", "-"]

    result = ask(cli, server, *argv, stdin=PNG + b"2", dialect=dialect)

    (message,) = body(server)["messages"]
    assert result.status == 0
    assert sent_images(message, dialect) == [PNG, PNG + b"2"]


def test_an_image_is_enough_of_a_question(cli: Runner, server: FakeServer) -> None:
    result = ask(cli, server, "-i", "-", stdin=PNG)

    (message,) = body(server)["messages"]
    assert (result.status, message["content"]) == (0, "")


@pytest.mark.parametrize("data", [b"", b"text", b"%PDF-1.7", b"<svg></svg>"])
def test_what_is_no_image_is_status_3(
    cli: Runner, server: FakeServer, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "no-image"
    path.write_bytes(data)

    result = ask(cli, server, "-i", str(path), "Describe")

    assert (result.status, server.requests) == (3, [])
    assert f"'{path}' is no image" in error(result)


def test_the_configured_system_prompt_may_be_in_a_file_beside_the_configuration(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[defaults]\nsystem = "@brief.txt"\n')
    home.config_file.with_name("brief.txt").write_text("Be brief.\n")

    ask(cli, server, "Hi")

    system, _ = body(server)["messages"]
    assert system == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("option", ["-f", "-i"])
def test_a_file_that_is_too_large_says_what_bounds_it(
    cli: Runner, server: FakeServer, home: Home, option: str
) -> None:
    home.configure('[limits]\nprompt = "9B"\nbody = "9B"\n')
    Path(home.path, "big").write_bytes(bytes(10))

    result = ask(cli, server, "Hi", option, "big")

    assert result.status == 9
    assert "sets the bound" in error(result)
