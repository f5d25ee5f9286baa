"""The real thing: a question, a llama.cpp of our own, an answer.

The one module that talks to it through the whole program. LLMWRAP_TEST_MODEL names
the GGUF file, that of a small model that chats; `make test` installs one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmwrap import Config, LLMWrapper
from llmwrap.backends.embedded.process import (
    EmbeddedServer,
    running_servers,
    stop_servers,
)
from llmwrap.models.installed import DEFAULT_MODEL
from llmwrap.paths import state_dir

from .asking import error, lines
from .embedded_world import wait_until
from .fakeserver.ports import RefusedPort
from .runner import Home, Result, Runner
from .terminals import llmwrap

MODEL = os.environ.get("LLMWRAP_TEST_MODEL", "")

if not MODEL:
    pytest.skip(
        "LLMWRAP_TEST_MODEL does not name a GGUF file; 'make test' sets it",
        allow_module_level=True,
    )
pytest.importorskip("xllamacpp", reason="the embedded extra is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUESTION = "Name three colours."


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Give a home where the model is installed; its server ends with the module."""
    path = tmp_path_factory.mktemp("live")
    models = path / "data" / "llmwrap" / "models"
    models.mkdir(parents=True)
    (models / DEFAULT_MODEL.file_name).symlink_to(os.path.realpath(MODEL))
    with RefusedPort() as port:
        home = Home(path, port.url)
        home.environ["LLMWRAP_CACHE_ENABLED"] = "false"  # the model is wanted each time
        yield Runner(home)
        stop_servers(state_dir(home.environ))
    assert running_servers(state_dir(home.environ)) == []


def ask(cli: Runner, *argv: str, **options: Any) -> Result:
    return cli.run("-b", "embedded", *argv, QUESTION, **options)


def answer(cli: Runner, *argv: str) -> Any:
    """Return the JSON object of a good answer."""
    result = ask(cli, "--json", *argv)
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


def server(cli: Runner) -> EmbeddedServer:
    """Return the one server that runs, started if none does."""
    if not running_servers(state_dir(cli.home.environ)):
        answer(cli, "--max-tokens", "1")
    (found,) = running_servers(state_dir(cli.home.environ))
    return found


def processing(running: EmbeddedServer) -> bool:
    """Tell whether an answer is being generated, as llama.cpp itself counts."""
    connection = http.client.HTTPConnection(urlsplit(running.base_url).netloc)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {running.key}"}
        connection.request("GET", "/metrics", headers=headers)
        metrics = connection.getresponse().read().decode()
    assert "llamacpp:requests_processing " in metrics
    return "llamacpp:requests_processing 0" not in metrics


def test_it_answers_without_any_server(cli: Runner) -> None:
    result = ask(cli, "--max-tokens", "40")

    assert result.status == 0
    assert len(result.text.split()) > 3
    assert lines(result, "note")[0] == f"using model '{DEFAULT_MODEL.name}'"


def test_a_path_to_a_gguf_file_is_enough(cli: Runner) -> None:
    result = cli.run("-m", os.path.realpath(MODEL), "--max-tokens", "5", QUESTION)

    assert (result.status, result.text != "\n") == (0, True)


def test_discovery_takes_it_where_nothing_else_was_ever_found(cli: Runner) -> None:
    environ = {"OLLAMA_HOST": ""}  # else it would be the one that is asked
    result = cli.run("--max-tokens", "5", "-q", QUESTION, environ=environ)

    assert (result.status, result.stderr) == (0, "")


def test_a_limit_of_tokens_is_kept_to(cli: Runner) -> None:
    result = ask(cli, "--json", "--max-tokens", "7", "--temperature", "0")

    document = json.loads(result.stdout)
    assert (result.status, document["finish_reason"]) == (0, "length")
    assert document["usage"]["completion_tokens"] == 7
    assert "the answer ends at the length limit you set" in lines(result, "note")


def test_a_complete_answer_has_usage_and_timings(cli: Runner) -> None:
    document = answer(cli, "-s", "Answer in one word.", "--temperature", "0")

    assert (document["backend"], document["finish_reason"]) == ("embedded", "stop")
    assert min(document["usage"].values()) > 1
    timings = document["timings"]
    assert 0 < timings["ttft_s"] <= timings["e2e_s"]
    assert timings["server_generation_s"] > 0
    assert document["attempts"] == 1


def test_the_same_seed_gives_the_same_answer(cli: Runner) -> None:
    argv = ["--seed", "7", "--temperature", "0", "--max-tokens", "24"]

    first, second = answer(cli, *argv), answer(cli, *argv)

    assert first["text"] == second["text"] != ""


def test_a_system_prompt_reaches_the_model(cli: Runner) -> None:
    argv = ["--temperature", "0", "--max-tokens", "24"]
    pirate = "You are a pirate. Answer as pirates do, in rhymes, and shout. " * 3

    plain, system = answer(cli, *argv), answer(cli, *argv, "-s", pirate)

    assert system["text"] != plain["text"]
    assert system["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]


def test_pieces_come_one_after_the_other(cli: Runner) -> None:
    result = ask(cli, "--format", "events", "--max-tokens", "40")

    kinds = [json.loads(line)["type"] for line in result.text.splitlines()]
    assert (kinds[0], kinds[-1]) == ("start", "done")
    assert kinds.count("text") > 1  # what comes while we wait our turn is one


def test_a_stop_text_ends_the_answer(cli: Runner) -> None:
    argv = ["--temperature", "0", "--max-tokens", "24"]
    text = answer(cli, *argv)["text"]
    stop = text.split()[2]

    stopped = answer(cli, *argv, "--stop", stop)

    assert stopped["finish_reason"] == "stop"
    assert stopped["text"] == text.partition(stop)[0]


def test_a_prompt_longer_than_the_context_is_refused(cli: Runner) -> None:
    result = ask(cli, "--json", stdin=b"word " * 20_000)

    assert result.status == 5
    assert "tokens and the context of embedded" in error(result)
    assert json.loads(result.stdout)["error"]["kind"] == "refused"


def test_the_second_question_needs_no_second_server(cli: Runner) -> None:
    before = server(cli)
    ask(cli, "--max-tokens", "1")
    cli.run("-m", MODEL, "--max-tokens", "1", QUESTION)
    # A program of its own, too.
    spawned = cli.spawn("-b", "embedded", "--max-tokens", "1", QUESTION)

    after = server(cli)
    assert spawned.status == 0
    assert (after.pid, after.base_url) == (before.pid, before.base_url)


def test_it_is_listed_as_running_and_its_model_as_loaded(cli: Runner) -> None:
    running = server(cli)

    backends = json.loads(cli.run("backends", "--json").stdout)["backends"]
    models = json.loads(cli.run("models", "-b", "embedded", "--json").stdout)["models"]

    (embedded,) = (row for row in backends if row["name"] == "embedded")
    assert [one["pid"] for one in embedded["servers"]] == [running.pid]
    assert running.key not in json.dumps(embedded)
    assert [one["name"] for one in models] == [DEFAULT_MODEL.name]


@pytest.mark.parametrize(
    ("number", "argv"),
    [(signal.SIGINT, []), (signal.SIGTERM, ["--format", "events"])],
)
def test_an_interrupted_answer_stops_being_generated(
    cli: Runner, number: signal.Signals, argv: list[str]
) -> None:
    running = server(cli)
    endless = ["-b", "embedded", "-n", "-o", "ignore_eos=true", *argv]

    with cli.start(*endless, "Count from one to ten thousand.") as process:
        assert process.stdout is not None
        process.stdout.read(20)
        assert processing(running)
        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == -number
    wait_until(lambda: not processing(running))
    assert server(cli).pid == running.pid


def test_the_library_asks_it_too_and_can_leave(cli: Runner) -> None:
    running = server(cli)
    environ = {**os.environ, **cli.home.environ}
    config = Config.load(os.devnull, environ)

    with LLMWrapper(config, environ=environ) as wrapper:
        with wrapper.chat_stream(
            QUESTION, "embedded/" + DEFAULT_MODEL.name, options={"ignore_eos": True}
        ) as under_way:
            assert next(under_way).content
        wait_until(lambda: not processing(running))
        whole = wrapper.chat(QUESTION, MODEL, options={"max_tokens": 3})

    assert whole.completion.usage.completion_tokens == 3


def test_the_openai_backend_talks_to_the_same_server(cli: Runner) -> None:
    running = server(cli)
    argv = ["--base-url", running.base_url, "-n", "--max-tokens", "3", QUESTION]

    good = cli.run(*argv, environ={"LLMWRAP_API_KEY": running.key})
    bad = cli.run(*argv, environ={"LLMWRAP_API_KEY": "wrong"})
    none = cli.run(*argv)

    assert (good.status, good.text != "\n") == (0, True)
    assert (bad.status, none.status) == (5, 5)
    assert running.key not in bad.stderr + none.stderr + good.stderr
    assert "401" in error(bad)


def test_a_server_that_died_is_replaced_without_a_word(cli: Runner) -> None:
    before = server(cli)
    os.kill(before.pid, signal.SIGKILL)  # which this module has started

    document = answer(cli, "--max-tokens", "1")

    assert document["attempts"] == 1
    assert server(cli).pid != before.pid


def test_it_is_stopped_by_its_command(cli: Runner, tmp_path: Path) -> None:
    running = server(cli)

    stopped = json.loads(cli.run("backends", "stop", "--json").stdout)["backends"]

    assert [one["pid"] for one in stopped] == [running.pid]
    assert running_servers(state_dir(cli.home.environ)) == []
    wait_until(lambda: not Path(f"/proc/{running.pid}/cmdline").exists())


EMBEDDED = ("-b", "embedded", "--max-tokens", "20")


def test_a_chat_on_a_pipe_goes_on(cli: Runner) -> None:
    said = f"{QUESTION}\nAnd one more.\n/stats\n".encode()

    result = cli.run("chat", "--commands", *EMBEDDED, stdin=said)

    assert (result.status, len(result.text) > 20) == (0, True)
    assert "messages    4" in result.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("command", ["chat", "interactive"])
def test_a_chat_in_a_real_terminal(cli: Runner, tmp_path: Path, command: str) -> None:
    argv = [command, "-b", "embedded", "--max-tokens", "20"]

    with llmwrap(cli.home, tmp_path, *argv) as window:
        window.wait_for(DEFAULT_MODEL.name)
        window.type(QUESTION)
        window.send("Enter")
        window.wait_for("tokens/s · context")
        window.send("C-d")
        window.wait_for("ENDED with 0")


SCHEMAS = {
    "flat": "name, age int, friendly bool",
    "nested": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "maxLength": 40},
            "people": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "pattern": "^[A-Z]"},
                        "role": {"type": "string", "maxLength": 40},
                    },
                    "required": ["name", "role"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["title", "people"],
        "additionalProperties": False,
    },
    "enum": {
        "type": "object",
        "properties": {"mood": {"enum": ["glad", "sad", "calm"]}},
        "required": ["mood"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_is_of_its_schema_or_told(cli: Runner, name: str) -> None:
    """With llama.cpp's grammar behind it, and a model too small for most questions."""
    schema = SCHEMAS[name]
    given = schema if isinstance(schema, str) else f"{name}.json"
    (cli.home.path / f"{name}.json").write_text(json.dumps(schema))

    for seed in range(3):
        result = ask(cli, "--json", "--schema", given, "--seed", f"{seed}")

        document = json.loads(result.stdout)
        if result.status == 0:
            assert (
                set(json.loads(document["text"]))
                == {
                    "flat": {"name", "age", "friendly"},
                    "nested": {"title", "people"},
                    "enum": {"mood"},
                }[name]
            )
        else:
            assert result.status in (7, 8)
            assert document["error"]["exit_status"] == result.status
            assert (result.status == 8) or document["schema_errors"]
