"""Keys: they go to the server they are for, and to no other place at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from .asking import DIALECTS, Dialect, chats, lines
from .fakeserver import (
    FAULTS,
    HOSTILE_NAMES,
    TERMINAL_SEQUENCES,
    Body,
    Close,
    EndBody,
    FakeServer,
    Raw,
    ReceivedRequest,
    Reply,
    Respond,
    Tell,
    WaitFor,
    json_reply,
    redirect,
    whole_reply,
)
from .runner import Result, Runner

_KEY = "sk-7Yq2mZx9-very-secret-and-long-enough-to-be-cut"
_CUT = _KEY[:12]
"""A part of the key that is too much already."""
_WAIT_S = 20.0
_VARIABLES = {"env": "SECRET", "LLMWRAP_API_KEY": "LLMWRAP_API_KEY"}

both = pytest.mark.parametrize("dialect", DIALECTS, ids=str)
Echo = Callable[[str], Reply]


_ECHOES: dict[str, Echo] = {
    "error": lambda key: json_reply({"error": {"message": f"bad key {key}"}}),
    "status": lambda key: json_reply({"error": f"bad key {key}"}, 401),
    "page": lambda key: whole_reply(f"<p>{key}</p>".encode(), "text/html", 500),
    "text": lambda key: whole_reply(key.encode(), "text/plain", 503),
    "redirect": lambda key: redirect(307, f"http://127.0.0.1:9/?key={key}"),
    "broken JSON": lambda key: whole_reply(f'{{"a": "{key}" oops\n'.encode()),
    "broken event": lambda key: whole_reply(
        f'data: {{"a": "{key}" oops\n\n'.encode(), "text/event-stream"
    ),
    "no JSON": lambda key: whole_reply(f"{key}\n".encode(), "text/event-stream"),
    "a list": lambda key: json_reply([key]),
    "wrong type": lambda key: json_reply({"message": [key], "choices": [key]}),
    "wrong content": lambda key: json_reply(
        {"message": {"content": [key]}, "choices": [{"delta": {"content": [key]}}]}
    ),
    "status line": lambda key: (Raw(f"HTTP/9 {key}\r\n\r\n".encode()), Close()),
    "no HTTP": lambda key: (Raw(f"{key}\r\n\r\n".encode()), Close()),
    "header": lambda key: (
        Raw(f"HTTP/1.1 200 {key}\r\nContent-Length: {key}\r\n\r\n".encode()),
        Close(),
    ),
}


def _key_of(request: ReceivedRequest) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


def _configured(cli: Runner, url: str, source: str, more: str = "") -> dict[str, str]:
    """Configure a backend whose key comes from `source`; return the environment."""
    table = f'[backends.b]\nbackend_type = "Ollama"\nbase_url = "{url}"\n'
    if "/v1" in url:
        table = table.replace("Ollama", "OpenAI")
    if source == "file":
        file = cli.home.path / "key"
        file.write_text(f"{_KEY}\n")
        file.chmod(0o600)
        table += f'api_key_file = "{file}"\n'
    elif source == "env":
        table += 'api_key_env = "SECRET"\n'
    cli.home.configure(table + more)
    return {_VARIABLES[source]: _KEY} if source in _VARIABLES else {}


def _kept(home: Path) -> bytes:
    """Return what all files under a home hold, but the key's own."""
    kept = b""
    for path in home.rglob("*"):
        with contextlib.suppress(
            FileNotFoundError
        ):  # a new one has just taken its place
            if path.is_file() and path.name != "key":
                kept += path.name.encode() + path.read_bytes()
    return kept


def _holds_none(cli: Runner, result: Result) -> bool:
    said = result.stdout + result.stderr.encode() + _kept(cli.home.path)
    return _CUT.encode() not in said


@both
@pytest.mark.parametrize("source", ["env", "file", "LLMWRAP_API_KEY"])
@pytest.mark.parametrize("how", ["text", "json", "events"])
@pytest.mark.parametrize("name", _ECHOES)
def test_an_echoed_key_shows_nowhere(
    cli: Runner, server: FakeServer, dialect: Dialect, source: str, how: str, name: str
) -> None:
    log = (
        f'[logging]\nlevel = "debug"\nformat = "json"\noutput = "{cli.home.path}/log"\n'
    )
    environ = _configured(cli, server.url + dialect.suffix, source, log)
    echo = _ECHOES[name]
    server.script(dialect.path, Respond(lambda got: echo(_key_of(got))), times=None)

    result = cli.run(
        *("-b", "b", "-m", "alpha", "--format", how, "-vv", "--retries", "1"),
        *("--retry-delay", "0", "hi"),
        environ={**environ, "LLMWRAP_DEBUG": "1"},
    )

    assert _key_of(chats(server)[0]) == _KEY
    assert result.status in (5, 6, 7, 8)
    assert len(lines(result, "error")) == 1
    assert _holds_none(cli, result)


@both
@pytest.mark.parametrize(
    "name",
    [
        *("refused", "reset_before_headers", "close_between_chunks", "status_500_json"),
        *(
            "json_broken",
            "error_text",
            "silent_before_headers",
            "terminal_sequences_in",
        ),
        *("secrets_in_error", "secrets_in_status", "secrets_in_headers"),
    ],
)
def test_no_fault_shows_the_key(
    cli: Runner, server: FakeServer, dialect: Dialect, name: str
) -> None:
    name = "terminal_sequences_in_error" if name == "terminal_sequences_in" else name
    url = FAULTS[f"{dialect}-{name}"].arm(server) + dialect.suffix
    environ = _configured(cli, url, "env")

    result = cli.run(
        *("-b", "b", "-m", "alpha", "-vv", "--first-token-timeout", "0.3"),
        *("--retry-delay", "0", "hi"),
        environ={**environ, "LLMWRAP_DEBUG": "1"},
    )

    assert result.status not in (0, 1)
    assert _holds_none(cli, result)


@both
def test_a_running_program_has_no_key_among_its_words(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    environ = _configured(cli, server.url + dialect.suffix, "file")
    came, gate = threading.Event(), threading.Event()
    server.script(dialect.path, Tell(came), WaitFor(gate, _WAIT_S), json_reply({}, 400))

    with cli.start("-b", "b", "-m", "alpha", "-n", "hi", environ=environ) as process:
        assert came.wait(_WAIT_S)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        gate.set()
        stdout, stderr = process.communicate(timeout=_WAIT_S)

    assert _KEY.encode() not in words + environment + stdout + stderr


@both
def test_a_dry_run_masks_the_key(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    environ = _configured(cli, server.url + dialect.suffix, "env")

    result = cli.run("-b", "b", "-m", "alpha", "--dry-run", "hi", environ=environ)

    assert result.status == 0
    assert "***" in result.text
    assert _holds_none(cli, result)


@pytest.mark.parametrize("command", [("config", "show"), ("backends",), ("doctor",)])
def test_what_tells_of_the_configuration_masks_the_key(
    cli: Runner, server: FakeServer, command: tuple[str, ...]
) -> None:
    environ = _configured(cli, server.url, "env") | {"LLMWRAP_API_KEY": _KEY}

    result = cli.run(*command, "-vv", environ=environ)

    assert _holds_none(cli, result)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_key_file_that_others_can_open_is_warned_of(
    cli: Runner, server: FakeServer, mode: int
) -> None:
    _configured(cli, server.url, "file")
    file = cli.home.path / "key"
    file.chmod(mode)

    result = cli.run("-b", "b", "-m", "alpha", "hi")

    assert result.status == 0
    assert lines(result, "warning") == [
        f"others may open '{file}'; run 'chmod 600' on it"
    ]
    assert _key_of(chats(server)[0]) == _KEY


def test_a_dummy_key_hides_no_name(cli: Runner, server: FakeServer) -> None:
    """Many give 'ollama' where a client wants some key."""
    server.script("/v1/chat/completions", whole_reply(b"no event\n"))
    environ = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "openai"}

    result = cli.run("-b", "openai", "-m", "alpha", "hi", environ=environ)

    assert result.status == 7
    assert f"openai at {server.url}/v1: answered with words" in result.stderr


def _is_harmless(said: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in said)


@both
@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_error_text_reaches_stderr_raw(
    cli: Runner, server: FakeServer, dialect: Dialect, sequence: str
) -> None:
    text = TERMINAL_SEQUENCES[sequence]
    speech = server.speech("ollama" if dialect.name == "ollama" else "openai")
    replies: list[Reply] = [
        speech.refusal(text, 400),
        (speech.head(), Body(speech.say(speech.error(text))), EndBody()),
        whole_reply(text.encode(), "text/plain", 502),
        whole_reply(b'{"a": "' + text.encode() + b'" oops\n', speech.stream_type),
        redirect(302, f"http://x/{text.encode().decode('latin-1')}"),
    ]
    for reply in replies:
        server.script(dialect.path, reply)
        url = server.url + dialect.suffix

        result = cli.run(
            *("--base-url", url, "-m", "alpha", "-vv", "--retries", "0", "hi")
        )

        assert result.status in (5, 6, 7, 8)
        assert len(lines(result, "error")) == 1
        assert _is_harmless(result.stderr)


@both
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:12])
def test_no_name_of_a_model_reaches_stderr_raw(
    cli: Runner, dialect: Dialect, name: str
) -> None:
    with FakeServer(models=[name]) as server:
        result = cli.run("--base-url", server.url + dialect.suffix, "-vv", "hi")

    assert result.status in (0, 5)
    assert _is_harmless(result.stderr)
    assert all(line.startswith("llmwrap: ") for line in result.stderr.splitlines())
