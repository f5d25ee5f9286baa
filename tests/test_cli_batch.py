"""`batch`: every item once, whatever happens between."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .fakeserver import FakeServer, WaitFor, json_error, json_reply
from .runner import SPAWN_S, Result, Runner


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        server.answer = ("yes",)
        yield server


@pytest.fixture
def place(cli: Runner) -> Path:
    return cli.home.path


def batch(cli: Runner, server: FakeServer, *argv: str, stdin: bytes = b"") -> Result:
    words = ("batch", *argv, "-m", "alpha")
    return cli.run(*words, stdin=stdin, environ={"OLLAMA_HOST": server.url})


def results(path: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({one["id"] for one in found}) == len(found)
    return {one["id"]: one for one in found}


def asked(server: FakeServer) -> list[str]:
    return sorted(
        request.json["messages"][-1]["content"]
        for request in server.requests
        if request.path == "/api/chat"
    )


def test_each_line_is_an_item_behind_the_text(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_bytes(b"\xef\xbb\xbfone\r\n\n  two\nthree")

    result = batch(cli, server, "in.txt", "Say", "this", "-O", "out.jsonl")

    assert (result.status, result.stdout) == (0, b"")
    assert asked(server) == [
        "Say this\n\n  two",
        "Say this\n\none",
        "Say this\n\nthree",
    ]
    found = results(place / "out.jsonl")
    assert {*found} == {"1", "3", "4"}
    assert {one["text"] for one in found.values()} == {"yes"}
    assert found["1"]["error"] is None
    assert len(found["1"]["key"]) == 16
    assert "note: 3 items: 3 answered" in result.stderr


def test_objects_have_ids_prompts_messages_and_settings(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    lines = [
        {"id": "a", "prompt": "Hi", "system": "Be brief.", "options": {"seed": 7}},
        {
            "id": "b",
            "messages": [{"role": "user", "content": "Ho"}],
            "model": "beta:7b",
        },
        {"id": "c", "template": "greeting", "vars": {"name": "Ada"}},
        {"prompt": "no id"},
        {"id": "bad", "prompt": 5},
        {"id": 3, "prompt": "x"},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n{broken\n"
    (place / "in.jsonl").write_text(text)

    result = batch(cli, server, "in.jsonl", "-O", "out.jsonl")

    found = results(place / "out.jsonl")
    assert result.status == 10
    assert {*found} == {"a", "b", "c", "4", "bad", "6", "7"}
    failed = {name: one["error"]["kind"] for name, one in found.items() if one["error"]}
    assert failed == {"bad": "usage", "6": "config", "7": "config"}
    assert found["b"]["model"] == "beta:7b"
    bodies = [r.json for r in server.requests if r.path == "/api/chat"]
    [first] = [b for b in bodies if b["messages"][-1]["content"] == "Hi"]
    assert first["options"]["seed"] == 7
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_table_keeps_its_columns_and_gets_the_answer(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    rows = b'company,city\n"A ""1""","two\nlines"\nB\xe9,x\nshort\n'
    (place / "in.csv").write_bytes(rows)

    result = batch(
        cli, server, "in.csv", "Where is {{company}}?", "-O", "out.csv", "--column", "w"
    )

    assert result.status == 10
    assert asked(server) == ['Where is A "1"?', "Where is B�?"]
    written = (place / "out.csv").read_bytes().decode("utf-8", "surrogateescape")
    found = list(csv.reader(io.StringIO(written, "")))
    assert found[0] == ["company", "city", "w", "_error", "_key"]
    assert [row[:3] for row in found[1:]] == [
        ['A "1"', "two\nlines", "yes"],
        ["B\udce9", "x", "yes"],
        ["short", "", ""],
    ]
    assert found[3][3].startswith("usage: line 5 ")


def test_lines_of_openai_are_answered_in_openais_form(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    body = {"model": "beta:7b", "messages": [{"role": "user", "content": "Hi"}]}
    lines = [
        {
            "custom_id": "a",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": body,
        },
        {"custom_id": "b", "method": "POST", "url": "/v1/embeddings", "body": body},
        {
            "custom_id": "c",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {**body, "n": 2},
        },
    ]
    (place / "in.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))

    assert batch(cli, server, "in.jsonl", "-O", "out.jsonl").status == 10

    found = [json.loads(x) for x in (place / "out.jsonl").read_text().splitlines()]
    by_id = {one["custom_id"]: one for one in found}
    answer = by_id["a"]["response"]["body"]["choices"][0]["message"]["content"]
    assert (answer, by_id["a"]["error"]) == ("yes", None)
    assert by_id["b"]["error"]["code"] == by_id["c"]["error"]["code"] == "usage"
    again = batch(cli, server, "in.jsonl", "-O", "out.jsonl", "--resume")
    assert "3 were there" in again.stderr


def test_each_file_is_an_item(cli: Runner, server: FakeServer, place: Path) -> None:
    (place / "a b.md").write_text("one")
    (place / "c.md").write_text("two")

    result = batch(
        cli,
        server,
        *("--files-from", "-", "Sum it up.", "-O", "-"),
        stdin=b"a b.md\0c.md\0none.md",
    )

    found = {x["id"]: x for x in map(json.loads, result.text.splitlines())}
    assert result.status == 10
    assert {*found} == {"a b.md", "c.md", "none.md"}
    assert found["none.md"]["error"]["kind"] == "config"
    assert asked(server)[0] == "Sum it up.\n\na b.md:\n```\none\n```"


@pytest.mark.parametrize(
    ("name", "text", "argv", "said"),
    [
        ("in.jsonl", '{"id":"a","prompt":"x"}\n{"id":"a","prompt":"y"}\n', [], "'a'"),
        ("in.csv", "a,a\n1,2\n", ["{{a}}"], "two columns"),
        ("in.csv", "a,\n1,2\n", ["{{a}}"], "no name"),
        ("in.csv", "", ["{{a}}"], "no header"),
        ("in.csv", "a,b\n1,2\n", ["{{firm}}"], "firm"),
        ("in.csv", 'a,b\n1,"2\n3,4\n', ["{{a}}"], "line 2 never ends"),
        ("in.csv", "a,_key\n1,2\n", ["{{a}}"], "_key"),
        ("in.jsonl", '{"template":"none_such"}\n', [], "none_such"),
        ("in.jsonl", '{"template":"greeting","vars":{"nme":1}}\n', [], "nme"),
        ("none.txt", None, [], "none.txt"),
    ],
)
def test_an_input_that_is_unusable_is_3_and_nobody_is_asked(
    cli: Runner,
    server: FakeServer,
    place: Path,
    name: str,
    text: str | None,
    argv: list[str],
    said: str,
) -> None:
    if text is not None:
        (place / name).write_text(text)

    result = batch(cli, server, name, *argv, "-O", f"out{Path(name).suffix}")

    assert result.status == 3
    assert said in result.stderr
    assert asked(server) == []


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["in.txt"],
        ["in.bin", "-O", "x.jsonl"],
        ["in.txt", "-O", "out.csv"],
        ["in.csv", "-O", "out.csv"],
        ["in.txt", "-O", "-", "--resume"],
        ["in.txt", "-O", "x", "--concurrency", "0"],
        ["in.txt", "-O", "x", "--rate", "0"],
        ["in.txt", "-O", "x", "--max-failures", "-1"],
        ["in.txt", "-O", "there.jsonl"],
    ],
)
def test_what_is_asked_for_wrongly_is_2(
    cli: Runner, server: FakeServer, place: Path, argv: list[str]
) -> None:
    (place / "in.txt").write_text("x\n")
    (place / "in.bin").write_text("x\n")
    (place / "in.csv").write_text("a\n1\n")
    (place / "there.jsonl").write_text("{}\n")

    assert batch(cli, server, *argv).status == 2
    assert (place / "there.jsonl").read_text() == "{}\n"
    assert asked(server) == []


def test_going_on_asks_only_what_is_not_there(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\ntwo\nthree\n")
    first = batch(cli, server, "in.txt", "-O", "out.jsonl", "--limit", "2")
    with (place / "out.jsonl").open("a") as file:
        file.write('{"id": "3", "key": "00')  # as a kill leaves it
    assert first.status == 0

    result = batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume")

    assert result.status == 0
    assert {*results(place / "out.jsonl")} == {"1", "2", "3"}
    assert asked(server) == ["one", "three", "two"]
    assert "2 were there" in result.stderr


def test_another_question_under_an_id_is_3_or_asked_anew(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\ntwo\n")
    batch(cli, server, "in.txt", "-O", "out.jsonl")
    (place / "in.txt").write_text("one\nTWO\nthree\n")
    before = (place / "out.jsonl").read_bytes()

    result = batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume")

    assert result.status == 3
    assert "1 of 3 items" in result.stderr
    assert "line 2" in result.stderr
    assert (place / "out.jsonl").read_bytes() == before
    anew = batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume", "--refresh")
    assert anew.status == 0
    assert {*results(place / "out.jsonl")} == {"1", "2", "3"}
    assert asked(server) == ["TWO", "one", "three", "two"]


def test_another_model_is_another_question(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\ntwo\n")
    argv = ("batch", "in.txt", "-O", "out.jsonl")
    environ = {"OLLAMA_HOST": server.url}
    assert cli.run(*argv, "-m", "alpha", environ=environ).status == 0

    other = cli.run(*argv, "--resume", "-m", "beta:7b", environ=environ)
    same = cli.run(*argv, "--resume", environ={**environ, "LLMWRAP_MODEL": "alpha"})

    assert (other.status, same.status) == (3, 0)
    assert "2 of 2 items are not what" in other.stderr
    assert len(asked(server)) == 2


def test_what_failed_is_asked_again_and_its_line_replaced(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\ntwo\n")
    server.script("/api/chat", json_error(400, {"error": "no"}))
    argv = ("in.txt", "-O", "out.jsonl", "--concurrency", "1")
    assert batch(cli, server, *argv).status == 10
    (place / "out.jsonl").chmod(0o640)
    assert batch(cli, server, *argv, "--resume").status == 0  # a failure is a result

    result = batch(cli, server, *argv, "--retry-failed")

    assert result.status == 0
    assert [one["error"] for one in results(place / "out.jsonl").values()] == [None] * 2
    assert stat.S_IMODE((place / "out.jsonl").stat().st_mode) == 0o640
    assert os.listdir(place).count("out.jsonl") == 1


def test_a_table_goes_on_by_its_rows(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.csv").write_text("a,b\n1,x\n1,y\n1,x\n2,z\n")
    argv = ("in.csv", "Say {{a}}", "-O", "out.csv")
    batch(cli, server, *argv, "--limit", "2")

    result = batch(cli, server, *argv, "--resume")

    found = list(csv.reader((place / "out.csv").read_text().splitlines()))
    assert result.status == 0
    assert [row[:2] for row in found] == [
        ["a", "b"],
        ["1", "x"],
        ["1", "y"],
        ["1", "x"],
        ["2", "z"],
    ]
    (place / "in.csv").write_text("a,b\n2,z\n")
    assert batch(cli, server, *argv, "--resume").status == 3


def test_a_server_that_is_gone_ends_the_batch(cli: Runner, place: Path) -> None:
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(100)))
    with FakeServer() as server:
        server.answer = ("yes",)
        batch(cli, server, "in.txt", "-O", "out.jsonl", "--limit", "5")
        gone = {"OLLAMA_HOST": server.refused_url()}
        argv = ("batch", "in.txt", "-O", "out.jsonl", "-m", "alpha", "--retries", "0")

        result = cli.run(*argv, "--resume", environ=gone)

        assert result.status == 4
        assert "5 of 100 done" in result.stderr
        assert "--resume goes on" in result.stderr
        assert len(results(place / "out.jsonl")) == 5
        assert batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume").status == 0
    assert len(results(place / "out.jsonl")) == 100


def test_too_many_failures_end_the_batch(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(50)))
    for _ in range(50):
        server.script("/api/chat", json_error(400, {"error": "no"}))

    result = batch(
        cli, server, "in.txt", "-O", "out.jsonl", "--max-failures", "10%", "-q"
    )

    assert result.status == 10
    assert len(results(place / "out.jsonl")) == 6


def test_alike_items_are_asked_once(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("same\n" * 20)

    result = batch(cli, server, "in.txt", "-O", "out.jsonl")

    assert asked(server) == ["same"]
    assert "20 answered (19 from the cache)" in result.stderr


def test_the_order_of_the_input_is_kept(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(60)))

    batch(cli, server, "in.txt", "-O", "out.jsonl", "--in-order", "--concurrency", "8")

    found = [
        json.loads(x)["id"] for x in (place / "out.jsonl").read_text().splitlines()
    ]
    assert found == [str(n) for n in range(1, 61)]


def test_a_dry_run_shows_requests_and_asks_nothing(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\ntwo\n")

    result = batch(cli, server, "in.txt", "--dry-run", "--limit", "1")

    [shown] = [json.loads(line) for line in result.text.splitlines()]
    assert shown["id"] == "1"
    assert shown["body"]["messages"] == [{"role": "user", "content": "one"}]
    assert asked(server) == []


def test_what_alias_and_template_bring_goes_with_every_item(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    cli.home.configure(
        '[aliases.careful]\nmodel = "beta:7b"\noptions = {seed = 5, top_k = 3}\n'
    )
    own = place / "config/llmwrap/templates/short.mustache"
    own.parent.mkdir(parents=True)
    head = 'system = "Be short."\nmodel = "careful"\noptions = {top_k = 4}'
    own.write_text(f"+++\n{head}\n+++\nAbout {{{{input}}}}.")
    (place / "in.txt").write_text("one\ntwo\n")
    argv = ("batch", "in.txt", "-t", "short", "-O", "out.jsonl")

    result = cli.run(*argv, environ={"OLLAMA_HOST": server.url})

    bodies = [r.json for r in server.requests if r.path == "/api/chat"]
    assert (result.status, len(bodies)) == (0, 2)
    for body in bodies:
        assert body["model"] == "beta:7b"
        assert body["messages"][0]["content"] == "Be short."
        assert (body["options"]["seed"], body["options"]["top_k"]) == (5, 4)


def test_a_schema_makes_columns_and_values(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.csv").write_text("text\nhello\n")
    server.answer = ('{"team": "a", "urgent": true}',)
    fields = "team, urgent bool"

    table = batch(
        cli, server, "in.csv", "{{text}}", "--schema", fields, "-O", "out.csv"
    )
    lines = batch(
        cli, server, "in.csv", "{{text}}", "--schema", fields, "-O", "out.jsonl"
    )

    assert (table.status, lines.status) == (0, 0)
    rows = list(csv.reader((place / "out.csv").read_text().splitlines()))
    assert rows[0] == ["text", "team", "urgent", "_error", "_key"]
    assert rows[1][:4] == ["hello", "a", "true", ""]
    assert results(place / "out.jsonl")["2"]["value"] == {"team": "a", "urgent": True}


CODE = "Here:\n```python\nprint(1)\n```\nand\n```sh\nls\n```\n"


def test_of_an_answer_only_its_code_is_the_code(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    """What has none failed, and its line says what came instead."""
    body = {"model": "alpha", "message": {"content": "no code"}, "done": True}
    server.script("/api/chat", json_reply(body))
    server.answer = (CODE,)
    (place / "in.txt").write_text("one\ntwo\n")

    argv = ("in.txt", "-O", "out.jsonl", "--extract", "sh", "--concurrency", "1")
    result = batch(cli, server, *argv)

    found = results(place / "out.jsonl")
    assert result.status == 10
    assert found["1"]["error"]["kind"] == "protocol"
    assert (found["1"]["text"], found["1"].get("code")) == ("no code", None)
    assert (found["2"]["text"], found["2"]["code"]) == (CODE, "ls\n")
    assert found["2"]["error"] is None


def test_a_table_gets_the_code_in_place_of_the_answer(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    server.answer = (CODE,)
    (place / "in.csv").write_text("task\nprint one\n")

    result = batch(cli, server, "in.csv", "Do {{task}}", "-O", "out.csv", "-x")

    assert result.status == 0
    [row] = csv.DictReader(io.StringIO((place / "out.csv").read_text()))
    assert row["answer"] == "print(1)\n"


def test_a_template_says_what_is_taken_of_each_answer(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    server.answer = (CODE,)
    (place / "in.txt").write_text("one\n")
    own = place / "config/llmwrap/templates/coder.mustache"
    own.parent.mkdir(parents=True)
    own.write_text('+++\nextract = "sh"\n+++\n{{input}}')

    result = batch(cli, server, "in.txt", "-t", "coder", "-O", "out.jsonl")

    assert result.status == 0
    assert results(place / "out.jsonl")["1"]["code"] == "ls\n"


def test_two_servers_share_the_items_and_one_may_go(cli: Runner, place: Path) -> None:
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(40)))
    with FakeServer() as one, FakeServer() as two:
        cli.home.configure(
            f'[backends.one]\nbackend_type = "Ollama"\nbase_url = "{one.url}"\n'
            f'[backends.two]\nbackend_type = "Ollama"\nbase_url = "{two.url}"\n'
            '[backends.gone]\nbackend_type = "Ollama"\n'
            f'base_url = "{one.refused_url()}"\n'
        )
        argv = ("batch", "in.txt", "-O", "out.jsonl", "-m", "alpha", "--retries", "0")

        result = cli.run(*argv, "-b", "one", "-b", "two", "-b", "gone")

        assert result.status == 0
        assert len(results(place / "out.jsonl")) == 40
        assert len(asked(one)) + len(asked(two)) == 40
        assert asked(one)
        assert asked(two)
        assert "its items go to the others" in result.stderr


def test_two_batches_never_write_to_one_file(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\n")
    server.first_token_delay_s = 60.0
    running = cli.start(
        *("batch", "in.txt", "-O", "out.jsonl", "-m", "alpha"),
        environ={"OLLAMA_HOST": server.url},
    )
    server.wait_for_requests(1)

    result = batch(cli, server, "in.txt", "-O", "out.jsonl")

    running.send_signal(signal.SIGTERM)
    running.communicate()
    assert result.status == 2
    assert "another batch" in result.stderr
    assert running.returncode == -signal.SIGTERM
    assert (place / "out.jsonl").read_text() == ""


def begun(cli: Runner, server: FakeServer, place: Path, **options: Any) -> Any:
    """Start a batch of twenty items, one at a time, and wait until one is asked."""
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(20)))
    server.first_token_delay_s = 0.3
    argv = ("batch", "in.txt", "-O", "out.jsonl", "-m", "alpha", "--concurrency", "1")
    running = cli.start(*argv, environ={"OLLAMA_HOST": server.url}, **options)
    server.wait_for_requests(1)
    return running


def test_ctrl_c_on_a_terminal_lets_what_is_under_way_end(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    master, slave = os.openpty()
    running = begun(cli, server, place, stderr=slave, start_new_session=True)
    os.close(slave)

    running.send_signal(signal.SIGINT)
    running.wait(SPAWN_S)

    said = os.read(master, 4096).decode()
    os.close(master)
    running.communicate()
    assert running.returncode == -signal.SIGINT
    assert "what is under way may end" in said
    # All that was asked has its answer, and stands there.
    assert len(results(place / "out.jsonl")) == len(asked(server)) < 20
    assert batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume").status == 0
    assert len(asked(server)) == 20


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_without_a_terminal_it_ends_at_once_and_goes_on_later(
    cli: Runner, server: FakeServer, place: Path, name: str
) -> None:
    running = begun(cli, server, place)

    running.send_signal(getattr(signal, name))
    running.communicate()

    assert running.returncode == -getattr(signal, name)
    server.first_token_delay_s = 0.0
    assert batch(cli, server, "in.txt", "-O", "out.jsonl", "--resume").status == 0
    assert len(results(place / "out.jsonl")) == 20


def test_quiet_leaves_only_errors(cli: Runner, server: FakeServer, place: Path) -> None:
    (place / "in.txt").write_text("one\n")

    assert batch(cli, server, "in.txt", "-O", "out.jsonl", "-q").stderr == ""


def test_as_many_are_asked_at_once_as_the_server_has_slots(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("".join(f"{n}\n" for n in range(6)))
    server.script("/props", json_reply({"total_slots": 3}))
    gate = threading.Event()
    choice = {"message": {"content": "yes"}, "finish_reason": "stop"}
    whole = json_reply({"choices": [choice]})
    server.script("/v1/chat/completions", WaitFor(gate), *whole, times=3)
    running = cli.start(
        *("batch", "in.txt", "-O", "out.jsonl", "-m", "alpha", "--concurrency", "auto"),
        *("--base-url", f"{server.url}/v1"),
    )

    server.wait_for_requests(4)  # the slots, and three questions
    gate.set()
    running.communicate()

    assert running.returncode == 0
    paths = [request.path for request in server.requests[:4]]
    assert paths == ["/props", *["/v1/chat/completions"] * 3]


def test_a_full_disk_is_12_and_nothing_is_lost(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    (place / "in.txt").write_text("one\n")

    result = batch(cli, server, "in.txt", "-O", "/dev/full", "--input-format", "lines")

    assert result.status == 12
    assert "/dev/full" in result.stderr


def test_files_whose_names_are_no_utf8_are_items_of_their_own(
    cli: Runner, server: FakeServer, place: Path
) -> None:
    names = (b"n\xff", b"n\xfe")
    for name in names:
        (place / os.fsdecode(name)).write_text("text")
    argv, stdin = ("--files-from", "-", "-O", "o.jsonl"), b"\0".join(names)

    first = batch(cli, server, *argv, stdin=stdin)
    again = batch(cli, server, *argv, "--resume", stdin=stdin)

    assert (first.status, again.status) == (0, 0)
    assert {*results(place / "o.jsonl")} == {r"n\xff", r"n\xfe"}
    assert len(asked(server)) == 2


@pytest.mark.parametrize("value", ["0", "-1", "x", "2000"])
def test_one_range_is_told_for_how_many_are_asked_at_once(
    cli: Runner, value: str
) -> None:
    result = cli.run("batch", "in.txt", "-O", "o", "--concurrency", value)

    assert result.status == 2
    assert "from 0" not in result.stderr
    assert "see 'llmwrap batch --help'" in result.stderr
