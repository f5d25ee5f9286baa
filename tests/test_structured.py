"""`--schema`: an answer is what was asked for, or the run says why it is none.

Servers drop a schema in silence, each in its own way and with status 200; what they do
is scripted here, after what their users reported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from llmwrap.batch.task import key_of
from llmwrap.errors import CancelledError, ProtocolError, SchemaError
from llmwrap.messages import Message, Request, Schema

from .asking import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    Dialect,
    address,
    ask,
    chats,
    error,
    lines,
    wrapped,
)
from .chatting import chat
from .direct import answered
from .fakeserver import (
    Answer,
    FakeServer,
    Reply,
    Reset,
    Silence,
    Tell,
    Usage,
    WaitFor,
    json_error,
    ollama_reply,
    openai_reply,
    spoken,
    whole_openai_reply,
)
from .runner import SPAWN_S, Home, Result, Runner
from .shims import Shims
from .test_man import CRON_FIELDS, examples

DOG = "name, age int"
GOOD = '{"name": "Rex", "age": 3}'
BAD = '{"name": "Rex", "age": "three"}'
COUNTED = Usage(300, 9)
COMPLAINT = '/age: "three" is not of type "integer"'
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Give each API."""
    dialect = request.param
    assert isinstance(dialect, Dialect)
    return dialect


def reply(dialect: Dialect, *tokens: str, reason: str = "stop") -> Reply:
    if dialect is OLLAMA:
        return ollama_reply(tokens, done_reason=reason)
    return openai_reply(tokens, finish_reason=reason, usage=COUNTED)


def answers(server: FakeServer, dialect: Dialect, *texts: str) -> None:
    for text in texts:
        server.script(dialect.path, reply(dialect, *text))


def invent(cli: Runner, server: FakeServer, *argv: str, **options: Any) -> Result:
    return ask(cli, server, "--schema", DOG, *argv, "Invent a dog", **options)


def failed(result: Result) -> Any:
    assert result.status == 7
    return json.loads(result.stdout)


# What is asked, and what comes of it


def test_a_valid_answer_is_printed_as_the_model_wrote_it(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    answers(server, dialect, f"```json\n{GOOD}\n```\n")

    result = invent(cli, server, dialect=dialect)

    assert (result.status, result.text, result.stderr) == (0, f"{GOOD}\n", "")


def test_each_server_is_asked_in_its_own_words(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, GOOD)
    answers(server, OPENAI, GOOD)

    invent(cli, server, "--no-cache", dialect=OLLAMA)
    invent(cli, server, "--no-cache", dialect=OPENAI)

    native, openai = (one.json for one in chats(server))
    assert native["format"] == SCHEMA
    assert openai["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


def test_the_system_prompt_ends_with_a_sentence_on_it(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, GOOD)

    invent(cli, server, "-s", "Be brief.")

    (request,) = chats(server)
    system, question = request.json["messages"]
    assert system["content"].startswith("Be brief.\n\nAnswer with one JSON value")
    assert json.dumps(SCHEMA, separators=(",", ":")) in system["content"]
    assert question == {"role": "user", "content": "Invent a dog"}


def test_dry_run_shows_what_would_be_sent(cli: Runner, server: FakeServer) -> None:
    result = invent(cli, server, "--dry-run")

    body = json.loads(result.stdout)["body"]
    assert body["format"] == SCHEMA
    assert "JSON Schema" in body["messages"][0]["content"]
    assert chats(server) == []


def test_a_list_is_an_array_of_such(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, f"[{GOOD}, {GOOD}]")

    result = ask(cli, server, "--schema-list", DOG, "Invent two dogs")

    assert result.text == f"[{GOOD}, {GOOD}]\n"
    (request,) = chats(server)
    assert request.json["format"] == {"type": "array", "items": SCHEMA}


def test_a_schema_comes_from_a_file_or_from_stdin(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    answers(server, OLLAMA, GOOD, GOOD)
    file = tmp_path / "dog.json"
    file.write_text(json.dumps(SCHEMA))

    result = ask(cli, server, "--schema", str(file), "Invent a dog")
    piped = ask(cli, server, "--schema", "@-", "Hi", stdin=json.dumps(SCHEMA).encode())

    assert (result.status, piped.status) == (0, 0)
    assert [one.json["format"] for one in chats(server)] == [SCHEMA, SCHEMA]


def test_json_has_the_text_and_events_come_when_it_is_valid(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, BAD, GOOD)

    result = invent(cli, server, "--format", "events")

    start, text, done = map(json.loads, result.text.splitlines())
    assert (start["type"], text["text"], done["type"]) == ("start", GOOD, "done")
    assert done["attempts"] == 2
    hit = json.loads(invent(cli, server, "--json").stdout)
    assert (hit["text"], hit["cached"], hit["attempts"]) == (GOOD, True, 0)


def test_json_is_not_drawn_as_markdown(cli: Runner, server: FakeServer) -> None:
    text = '{"name": "*Rex* _the_ `dog`", "age": 3}'
    answers(server, OLLAMA, text)

    result = invent(cli, server, tty=("stdout",))

    assert result.text == f"{text}\n"


def test_nothing_is_shown_of_an_answer_that_breaks_off(
    cli: Runner, server: FakeServer
) -> None:
    speech = server.speech("ollama")
    server.script(OLLAMA.path, spoken(speech, ['{"name": "Rex", ', '"age":']), Reset())

    result = invent(cli, server)

    assert (result.status, result.stdout, len(chats(server))) == (8, b"", 1)


def test_reasoning_is_shown_while_it_comes(cli: Runner, server: FakeServer) -> None:
    server.script(OLLAMA.path, ollama_reply([GOOD], thinking=["a dog, then"]))

    result = invent(cli, server, "--think")

    assert (result.text, "a dog, then" in result.stderr) == (f"{GOOD}\n", True)


# Asking again


def test_a_bad_answer_is_asked_for_again_with_what_is_wrong(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    answers(server, dialect, BAD, GOOD)

    result = invent(cli, server, dialect=dialect)

    assert (result.status, result.text, result.stderr) == (0, f"{GOOD}\n", "")
    first, second = (one.json["messages"] for one in chats(server))
    assert second[: len(first)] == first
    assert second[len(first)] == {"role": "assistant", "content": BAD}
    assert second[-1]["role"] == "user"
    assert f"\n- {COMPLAINT}\n" in second[-1]["content"]


def test_each_time_in_a_fresh_conversation_with_another_seed(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, "no", BAD, GOOD)

    result = invent(cli, server, "--schema-retries", "2")

    assert result.status == 0
    requests = [one.json for one in chats(server)]
    assert [len(one["messages"]) for one in requests] == [2, 4, 4]
    assert requests[2]["messages"][2]["content"] == BAD
    seeds = [one.get("options", {}).get("seed") for one in requests]
    assert seeds == [None, 1, 2]


@pytest.mark.parametrize("given", [("--seed", "7"), ("-o", "seed=7")])
def test_a_seed_of_the_user_stays(
    cli: Runner, server: FakeServer, given: tuple[str, str]
) -> None:
    answers(server, OLLAMA, BAD, GOOD)

    invent(cli, server, *given)

    assert [one.json["options"]["seed"] for one in chats(server)] == [7, 7]


def test_an_answer_that_stays_wrong_is_7_and_says_why(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    answers(server, dialect, "no", BAD)

    result = invent(cli, server, dialect=dialect)

    assert (result.status, result.stdout) == (7, b"")
    assert error(result) == (
        f"{dialect.name} at {server.url}{dialect.suffix}: the answer of"
        f" 'alpha:latest' is not of the schema: {COMPLAINT}; --format json shows it"
    )


def test_the_error_line_has_three_reasons_and_json_all_of_them(
    cli: Runner, server: FakeServer
) -> None:
    text = json.dumps(["a"] * 30)
    schema = ("--schema-retries", "0", "--schema", "ints.json")
    file = cli.home.path / "ints.json"
    file.write_text('{"items": {"type": "integer"}}')
    answers(server, OLLAMA, text, text)

    result = ask(cli, server, *schema, "Hi")
    document = failed(ask(cli, server, *schema, "--json", "Hi"))

    assert error(result).count("is not of type") == 3
    assert ", and 17 more;" in error(result)
    assert document["text"] == text
    assert len(document["schema_errors"]) == 20
    assert document["schema_errors"][0] == '/0: "a" is not of type "integer"'
    assert document["error"]["kind"] == "protocol"


def test_events_say_what_is_wrong_too(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, BAD)

    result = invent(cli, server, "--format", "events", "--schema-retries", "0")

    *_, last = map(json.loads, result.text.splitlines())
    assert (last["type"], last["schema_errors"]) == ("error", [COMPLAINT])


def test_without_retries_nobody_is_asked_again(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, BAD, GOOD)

    assert invent(cli, server, "--schema-retries", "0").status == 7
    assert len(chats(server)) == 1


def test_the_same_bad_answer_twice_is_the_end(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, BAD, BAD, GOOD)

    result = invent(cli, server, "--schema-retries", "9")

    assert (result.status, len(chats(server))) == (7, 2)
    assert "twice the same" in error(result)


def test_no_bad_answer_is_in_the_cache_or_in_the_file(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    answers(server, OLLAMA, "no", BAD)
    out = tmp_path / "out"

    failing = invent(cli, server, "-O", str(out))
    stored = invent(cli, server, "--cache-only")

    assert (failing.status, failing.stdout, out.exists()) == (7, b"", False)
    assert stored.status == 11


def test_the_deadline_covers_all_that_is_asked(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, BAD)
    server.script(OLLAMA.path, Silence())

    result = invent(cli, server, "--timeout", "1")

    assert (result.status, len(chats(server))) == (124, 2)


# What is never mended


@pytest.mark.parametrize(
    "text", [GOOD, BAD, '{"name": "Re', ""], ids=["good", "bad", "half", "none"]
)
def test_a_cut_answer_is_8_and_never_asked_for_again(
    cli: Runner, server: FakeServer, dialect: Dialect, text: str
) -> None:
    server.script(dialect.path, reply(dialect, text, reason="length"))

    result = invent(cli, server, dialect=dialect)

    assert (result.status, result.stdout, len(chats(server))) == (8, b"", 1)


def test_a_limit_of_the_user_does_not_make_half_a_value_whole(
    cli: Runner, server: FakeServer
) -> None:
    tokens = ['{"name": ', '"Rex"']
    server.script(
        OLLAMA.path,
        ollama_reply(tokens, done_reason="length", usage=Usage(5, 2)),
    )

    result = invent(cli, server, "--max-tokens", "2", "--json")

    assert (result.status, len(chats(server))) == (8, 1)
    assert json.loads(result.stdout)["text"] == "".join(tokens)
    assert "a larger --max-tokens" in error(result)


def test_a_withheld_answer_is_8(cli: Runner, server: FakeServer) -> None:
    server.script(OPENAI.path, reply(OPENAI, GOOD, reason="content_filter"))

    result = invent(cli, server, dialect=OPENAI)

    assert (result.status, result.stdout, len(chats(server))) == (8, b"", 1)


def test_a_refusal_is_not_asked_again_and_said(cli: Runner, server: FakeServer) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I won't do that."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    server.script(OPENAI.path, json_error(200, {"choices": [choice]}))

    result = invent(cli, server, "--no-stream", "--json", dialect=OPENAI)

    document = failed(result)
    assert (document["text"], len(chats(server))) == ("I won't do that.", 1)
    assert "is a refusal: I won't do that." in error(result)


# Models that never end


@pytest.mark.parametrize(
    ("token", "said"),
    [(" \n", "more than 256 blanks"), ("9", "a number of more than 64 digits")],
)
def test_a_loop_is_cut_off_and_asked_again_for_compact_json(
    cli: Runner, server: FakeServer, dialect: Dialect, token: str, said: str
) -> None:
    speech = server.speech("ollama" if dialect is OLLAMA else "openai")
    endless = spoken(speech, ['{"age": ', *([token] * 300)])
    server.script(dialect.path, endless, Silence(), times=1)
    answers(server, dialect, GOOD)

    result = invent(cli, server, "-v", dialect=dialect)

    assert (result.status, result.text) == (0, f"{GOOD}\n")
    first, second = chats(server)
    assert first.disconnected.wait(30)
    assert "compact and on one line" in second.json["messages"][0]["content"]
    assert said in second.json["messages"][-1]["content"]
    assert any(said in line for line in lines(result, "info"))


def test_an_endless_answer_that_stays_so_is_7(cli: Runner, server: FakeServer) -> None:
    speech = server.speech("ollama")
    for start in ('{"age": ', '{"name": '):
        server.script(OLLAMA.path, spoken(speech, [start, " " * 300]), Silence())

    document = failed(invent(cli, server, "--json"))

    assert document["text"].rstrip() == '{"name":'
    assert document["schema_errors"][0].startswith("more than 256 blanks")


# Servers that cannot use a schema, and servers that drop one in silence

GRAMMAR = [
    (OLLAMA, json_error(500, {"error": "failed to load model vocabulary required for"
                              " format: grammar"})),
    (OLLAMA, json_error(400, {"error": "invalid format: expected JSON schema"})),
    (OPENAI, json_error(400, {"error": {"code": 400, "message": "Failed to parse"
                              " grammar", "type": "invalid_request_error"}})),
    (OPENAI, json_error(400, {"error": "'response_format.type' must be 'json_schema'"}))
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "refused"), GRAMMAR)
def test_a_server_that_chokes_is_asked_once_more_with_less(
    cli: Runner, server: FakeServer, dialect: Dialect, refused: Reply
) -> None:
    schema = {**SCHEMA, "properties": {"name": {"pattern": "\\S+"}, "age": {}}}
    file = cli.home.path / "dog.json"
    file.write_text(json.dumps(schema))
    server.script(dialect.path, refused)
    answers(server, dialect, GOOD)

    result = ask(
        cli, server, "--schema", "dog.json", "--retries", "0", "Hi", dialect=dialect
    )

    assert (result.status, result.text, result.stderr) == (0, f"{GOOD}\n", "")
    first, second = (json.dumps(one.json) for one in chats(server))
    assert '"pattern": "' in first
    assert '"pattern": "' not in second


def test_the_whole_schema_still_decides(cli: Runner, server: FakeServer) -> None:
    file = cli.home.path / "short.json"
    file.write_text('{"type": "string", "maxLength": 3}')
    server.script(OPENAI.path, json_error(400, {"error": "bad grammar"}))
    answers(server, OPENAI, '"long one"', '"abc"')

    result = ask(cli, server, "--schema", "short.json", "Hi", dialect=OPENAI)

    assert (result.status, result.text) == (0, '"abc"\n')
    sent = [one.json["response_format"]["json_schema"]["schema"] for one in
            chats(server)]  # fmt: skip
    assert [("maxLength" in one) for one in sent] == [True, False, False]


def test_a_server_that_chokes_on_the_rest_too_has_refused(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OPENAI.path, json_error(400, {"error": "bad grammar"}), times=None)

    result = invent(cli, server, dialect=OPENAI)

    assert (result.status, len(chats(server))) == (5, 2)


def test_another_refusal_is_no_reason_to_ask_again(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OPENAI.path, json_error(400, {"error": "no images, please"}))

    assert invent(cli, server, dialect=OPENAI).status == 5
    assert len(chats(server)) == 1


SILENT = {
    "Ollama, format overlooked while reasoning is off": (
        OLLAMA, ollama_reply(["Rex is a dog of three years."]), 7),
    "llama.cpp, grammar that did not parse": (
        OPENAI, openai_reply([BAD]), 7),
    "vLLM, unknown fields dropped": (
        OPENAI, openai_reply(["Sure! ", "Here is a dog: ", "**Rex**, 3"]), 7),
    "vLLM, JSON in the reasoning": (
        OPENAI, openai_reply([], thinking=[GOOD]), 8),
    "LM Studio, nothing at all": (
        OPENAI, openai_reply([]), 7),
    "a fence with another one behind": (
        OPENAI, openai_reply([f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```"]), 7),
    "the schema itself": (
        OLLAMA, ollama_reply([json.dumps(SCHEMA)]), 7),
    "an object in a list": (
        OLLAMA, ollama_reply([f"[{GOOD}]"]), 7),
    "JSON as text": (
        OLLAMA, ollama_reply([json.dumps(GOOD)]), 7),
    "two objects, one a line": (
        OLLAMA, ollama_reply([GOOD, "\n", GOOD]), 7),
    "half of an object, and a stop": (
        OLLAMA, ollama_reply([GOOD[:-1]]), 7),
}  # fmt: skip


@pytest.mark.parametrize("way", SILENT)
def test_what_servers_do_in_silence_is_told(
    cli: Runner, server: FakeServer, way: str
) -> None:
    dialect, silent, status = SILENT[way]
    server.script(dialect.path, silent, times=None)

    result = invent(cli, server, dialect=dialect)
    stored = invent(cli, server, "--cache-only", dialect=dialect)

    assert (result.status, result.stdout, stored.status) == (status, b"", 11)
    assert len(chats(server)) == (2 if status == 7 else 1)


def test_a_whole_reply_is_checked_as_well(cli: Runner, server: FakeServer) -> None:
    server.script(OPENAI.path, whole_openai_reply(Answer([BAD])))
    server.script(OPENAI.path, whole_openai_reply(Answer([GOOD])))

    result = invent(cli, server, "--no-stream", dialect=OPENAI)

    assert (result.status, result.text) == (0, f"{GOOD}\n")


def test_ollama_is_not_trusted_where_reasoning_is_forbidden(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, GOOD)

    result = invent(cli, server, "--no-think")

    (warning,) = lines(result, "warning")
    assert "may overlook a schema" in warning


# The cache


def test_an_answer_belongs_to_its_schema(cli: Runner, server: FakeServer) -> None:
    """The order of its keys counts: models answer in it."""
    answers(server, OLLAMA, GOOD, GOOD, '{"age": 3, "name": "Rex"}', GOOD)

    ask(cli, server, "--schema", "name, age int", "Hi")
    hit = ask(cli, server, "--schema", "name , age integer", "Hi")
    assert (hit.status, len(chats(server))) == (0, 1)
    ask(cli, server, "--schema", "age int, name", "Hi")
    ask(cli, server, "--schema", "name, age int, tags? [str]", "Hi")
    ask(cli, server, "Hi")

    assert len(chats(server)) == 4


def test_an_item_of_a_batch_has_a_key_of_its_schema() -> None:
    request = Request("m", (Message("user", "Hi"),))
    one, other = (request._replace(schema=Schema(text)) for text in ("{}", "true"))

    assert len({key_of(request), key_of(one), key_of(other)}) == 3
    assert key_of(one._replace(schema=Schema("{}", retries=5))) == key_of(one)


def test_a_hit_needs_no_validator(
    cli: Runner, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(server, OLLAMA, GOOD)
    invent(cli, server)
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)

    hit = invent(cli, server, "--json")
    miss = ask(cli, server, "--schema", "other", "Hi")

    assert json.loads(hit.stdout)["cached"] is True
    assert (miss.status, len(chats(server))) == (3, 1)
    assert "pip install 'llmwrap[schema]'" in error(miss)


def test_direct_mode_gives_the_answer_to_fields_and_not_to_a_file(
    cli: Runner, server: FakeServer
) -> None:
    """What a file holds is in no digest of a command line."""
    server.answer = [GOOD]
    (cli.home.path / "dog.json").write_text(json.dumps(SCHEMA))
    argv = (*address(server), "Hi")

    fields = [answered(cli, *argv, "--schema", DOG) for _ in range(2)]
    files = [answered(cli, *argv, "--schema", "dog.json") for _ in range(2)]

    assert [one.is_direct for one in (*fields, *files)] == [False, True, False, False]
    assert {one.stdout for one in (*fields, *files)} == {f"{GOOD}\n".encode()}


def test_those_who_ask_the_same_share_what_was_checked(
    cli: Runner, server: FakeServer
) -> None:
    """The flight goes on while it is asked again."""
    gate = threading.Event()
    server.script(OLLAMA.path, WaitFor(gate), ollama_reply([BAD]))
    answers(server, OLLAMA, GOOD)
    argv = (*address(server), "-n", "--schema", DOG, "Hi")

    with cli.start(*argv) as one:
        server.wait_for_requests(1)
        with cli.start(*argv) as other:
            gate.set()
            written = [process.communicate(b"", SPAWN_S)[0] for process in (one, other)]

    assert written == [f"{GOOD}\n".encode()] * 2
    assert len(chats(server)) == 2


# The library


@pytest.mark.parametrize("schema", [DOG, SCHEMA, "dog.json"])
def test_the_library_gives_the_value(
    home: Home, server: FakeServer, schema: Any
) -> None:
    path = home.path / "dog.json"
    path.write_text(json.dumps(SCHEMA))
    answers(server, OLLAMA, f"Here: {GOOD}")
    with wrapped(home, server) as wrapper:
        answer = wrapper.chat("Hi", schema=str(path) if schema == path.name else schema)

    assert (answer.value, str(answer)) == ({"name": "Rex", "age": 3}, GOOD)


def test_the_library_raises_what_is_wrong(home: Home, server: FakeServer) -> None:
    answers(server, OLLAMA, "no", BAD)
    with wrapped(home, server) as wrapper, pytest.raises(SchemaError) as caught:
        wrapper.chat("Hi", schema=DOG)

    assert caught.value.complaints == (COMPLAINT,)


def test_cancelling_ends_whatever_is_asked(home: Home, server: FakeServer) -> None:
    answers(server, OLLAMA, BAD)
    is_asked = threading.Event()
    server.script(OLLAMA.path, Tell(is_asked), Silence())
    with wrapped(home, server) as wrapper, wrapper.chat_stream("Hi", schema=DOG) as it:

        def cancel_second() -> None:
            is_asked.wait(30)
            it.cancel()

        thread = threading.Thread(target=cancel_second)
        thread.start()
        with pytest.raises(CancelledError):
            next(it)
        thread.join()

    assert chats(server)[1].disconnected.wait(30)


def test_an_answer_that_is_dropped_ends_its_request(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence())
    with wrapped(home, server) as wrapper:
        answer = wrapper.chat_stream("Hi", schema=DOG)
        (request,) = server.wait_for_requests(1)
        del answer

        assert request.disconnected.wait(30)


def test_a_text_that_is_no_json_has_no_value(home: Home, server: FakeServer) -> None:
    with wrapped(home, server) as wrapper:
        answer = wrapper.chat("Hi")

        with pytest.raises(ProtocolError, match="the answer is no JSON"):
            assert answer.value


# Chats


def test_a_chat_takes_a_schema_and_leaves_it(cli: Runner, server: FakeServer) -> None:
    answers(server, OLLAMA, f"```\n{GOOD}\n```", BAD, GOOD, "Fine.")

    result = chat(cli, server, f"/schema {DOG}", "one", "two", "/schema off", "three")

    assert (result.status, result.text) == (0, f"{GOOD}\n{GOOD}\nFine.\n")
    bodies = [one.json for one in chats(server)]
    assert ["format" in body for body in bodies] == [True, True, True, False]
    assert [len(body["messages"]) for body in bodies] == [2, 4, 6, 5]


def test_a_chat_says_what_is_wrong_with_a_schema(
    cli: Runner, server: FakeServer
) -> None:
    result = chat(cli, server, "/schema born date", "/schema none.json", "/schema")

    said = result.stderr
    assert "unknown type 'date'" in said
    assert "cannot read 'none.json'" in said
    assert "answers may be any text" in said


def test_a_chat_goes_on_after_an_answer_that_stays_wrong(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, "no", BAD, GOOD)

    result = chat(cli, server, f"/schema {DOG}", "one", "two")

    assert (result.status, result.text) == (10, f"{GOOD}\n")
    assert chats(server)[-1].json["messages"][-1]["content"] == "two"
    assert len(chats(server)[-1].json["messages"]) == 2


# What is refused before anybody is asked


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (("--schema", "born date"), 3, "field 1 of the schema, 'born date'"),
        (("--schema", ""), 3, "field 1 of the schema"),
        (("--schema", "none.json"), 3, "cannot read 'none.json'"),
        (("--schema", "@none"), 3, "cannot read 'none'"),
        (("--schema", "bad.json"), 3, "the schema is no JSON Schema: /type: "),
        (("--schema", "far.json"), 3, "/$ref: 'http://127.0.0.1:1/x' is fetched by"),
        (("--schema", "a", "--schema-list", "a"), 2, "exclude each other"),
        (("--schema", "a", "-x"), 2, "-x"),
        (("--schema-retries", "1"), 2, "no schema"),
        (("--schema", "a", "--schema-retries", "-1"), 2, "--schema-retries"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], status: int, said: str
) -> None:
    (cli.home.path / "bad.json").write_text('{"type": "strin"}')
    (cli.home.path / "far.json").write_text('{"$ref": "http://127.0.0.1:1/x"}')

    result = ask(cli, server, *argv, "Hi")

    assert (result.status, result.stdout, chats(server)) == (status, b"", [])
    assert said in result.stderr


def test_a_file_is_not_looked_for_to_know_what_is_meant(
    cli: Runner, server: FakeServer
) -> None:
    (cli.home.path / "name").write_text('{"type": "integer"}')
    answers(server, OLLAMA, '{"name": "Rex"}')

    assert ask(cli, server, "--schema", "name", "Hi").status == 0


# The manual


@pytest.mark.parametrize(
    ("start", "answer", "wanted"),
    [
        ("llmwrap --schema 'name", '{"name": "Ann"}', "Ann\n"),
        (
            "llmwrap --schema-list",
            '[{"name": "Ann", "role": "judge"}, {"name": "Bo", "role": "witness"}]',
            '{"name":"Ann","role":"judge"}\n{"name":"Bo","role":"witness"}\n',
        ),
        ("@hourly llmwrap -q --schema", '{"level": 3}', ""),
    ],
)
def test_the_lines_of_the_manual_run(
    cli: Runner,
    server: FakeServer,
    programs: Shims,
    start: str,
    answer: str,
    wanted: str,
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("there is no jq")
    (line,) = (one for one in examples("ask") if one.startswith(start))
    for name in ("mail.txt", "news.txt", "report.txt"):
        (cli.home.path / name).write_text("Some words.")
    (cli.home.path / "level.json").write_text(
        '{"type": "object", "required": ["level"]}'
    )
    server.answer = [answer]
    programs.make(cli.home.path / "llmwrap")
    path = f"{cli.home.path}{os.pathsep}{cli.home.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-c", CRON_FIELDS.sub("", line)],
        cwd=cli.home.path,
        env=cli.environ({"OLLAMA_HOST": server.url, "PATH": path}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.decode()) == (0, wanted)
    if line.startswith("@"):
        assert (cli.home.path / "alert.json").read_text() == f"{answer}\n"


# Figures


def test_stats_count_what_was_asked_again_and_given_up(
    cli: Runner, server: FakeServer
) -> None:
    answers(server, OLLAMA, BAD, GOOD, "no", BAD)
    invent(cli, server)
    invent(cli, server, "--no-cache")

    document = json.loads(cli.run("stats", "--json").stdout)
    shown = cli.run("stats").text

    assert (document["asked_again"], document["ends"]["invalid"]) == (2, 1)
    assert document["runs"] == 2
    assert "2 asked again, 1 given up" in shown
    out = os.path.join(cli.home.path, "figures.prom")
    cli.run("stats", "--export", out)
    exported = Path(out).read_text()
    assert "llmwrap_schema_asked_again_total" in exported
    assert "llmwrap_schema_given_up_total" in exported
