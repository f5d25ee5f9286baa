"""`chat` on pipes: a line in, an answer out."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from llmwrap.repl.plain import PlainChat
from llmwrap.repl.room import Effect, Room

from .asking import OLLAMA, address, chats, error, lines
from .chatting import asked, chat
from .drawing import stage
from .fakeserver import TERMINAL_SEQUENCES, FakeServer, json_error
from .runner import Home, Runner


class _Hurried(Room):
    """A room whose answers are over before anybody can look."""

    def ask(self, text: str) -> Effect:
        over = threading.Event()
        self.talk.on_end = over.set
        effect = super().ask(text)
        assert over.wait(30)
        return effect


class _Pipe:
    """A console on which nothing is typed; it keeps what is told."""

    is_terminal = False

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def read_line(self) -> None:
        return None

    def write(self, text: str) -> None:
        self.told.append(("text", text))

    def prompt(self, text: str) -> None:
        raise AssertionError(text)

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def tell(self, level: str, message: str) -> None:
        self.told.append((level, message))

    def has_interrupt(self) -> bool:
        return False


def test_each_line_is_a_question(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes", "."]

    result = chat(cli, server, "one", "", "two")

    assert (result.status, result.stdout) == (0, b"Yes.\nYes.\n")
    assert asked(server) == [
        [("user", "one")],
        [("user", "one"), ("assistant", "Yes."), ("user", "two")],
    ]


def test_the_prompt_is_asked_first(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "two", options=("one", "more"))

    assert [messages[-1] for messages in asked(server)] == [
        ("user", "one more"),
        ("user", "two"),
    ]


def test_the_last_line_needs_no_newline(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]

    result = cli.run("chat", "--base-url", server.url, "-m", "alpha", stdin=b"one")

    assert result.stdout == b"Yes\n"


@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_a_pipe_gets_the_model_byte_for_byte(
    cli: Runner, server: FakeServer, sequence: str
) -> None:
    server.answer = list(TERMINAL_SEQUENCES[sequence])

    result = chat(cli, server, "hi")

    assert result.text == TERMINAL_SEQUENCES[sequence] + "\n"
    assert result.stderr == ""


def test_a_failure_counts_however_early_it_comes(
    home: Home, server: FakeServer
) -> None:
    """On a busy machine it is there before anybody waits for it."""
    server.script(OLLAMA.path, json_error(400, "no"))
    console = _Pipe()

    with stage(home, server, room=_Hurried) as on:
        plain = PlainChat(on.room, console, takes_commands=False)
        plain.run("hi")

    assert [level for level, _ in console.told] == ["warning"]
    assert (plain.failures, plain.lines) == (1, 1)


def test_a_turn_that_fails_ends_the_chat_with_10(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = ["Yes"]
    server.script("/api/chat", json_error(500, {"error": "broke"}), times=2)

    result = chat(cli, server, "one", "two", options=("--retries", "0"))

    assert (result.status, result.stdout) == (10, b"")
    assert error(result) == "2 of 2 lines failed"
    assert len(lines(result, "warning")) == 2


def test_a_question_without_an_answer_is_not_part_of_the_conversation(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    chat(cli, server, "one", "two")

    assert asked(server)[-1] == [("user", "two")]


def test_a_retry_asks_the_question_that_failed(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]
    server.script("/api/chat", json_error(400, {"error": "no"}))

    result = chat(cli, server, "one", "/retry")

    assert result.stdout == b"Yes\n"
    assert asked(server)[-1] == [("user", "one")]


def test_a_retry_asks_the_last_question_whatever_failed_before(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    chat(cli, server, "one", "two", "/retry")

    assert [messages[-1] for messages in asked(server)] == [
        ("user", "one"),
        ("user", "two"),
        ("user", "two"),
    ]


@pytest.mark.parametrize("command", ["/clear", "/undo"])
def test_a_question_that_failed_is_forgotten_when_it_should_be(
    cli: Runner, server: FakeServer, command: str
) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    result = chat(cli, server, "one", command, "/retry")

    assert "there is no question to ask again" in result.stderr
    assert len(asked(server)) == 1


def test_a_retry_leaves_the_cache_alone(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "one", "/retry", "/stats")

    assert [messages[-1] for messages in asked(server)] == [("user", "one")] * 2
    assert "answers     2, 0 of the cache" in result.stderr


def test_a_repeated_chat_is_answered_by_the_cache(
    cli: Runner, server: FakeServer
) -> None:
    first = chat(cli, server, "one")

    second = chat(cli, server, "one", "/stats")

    assert first.stdout == second.stdout
    assert "answers     1, 1 of the cache" in second.stderr
    assert len(asked(server)) == 1


def test_undo_forgets_the_last_turn(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "one", "/undo", "two")

    assert asked(server)[-1] == [("user", "two")]


def test_clear_begins_anew(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "one", "two", "/clear", "three")

    assert asked(server)[-1] == [("user", "three")]


def test_compact_puts_a_summary_in_place_of_older_turns(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = ["Sum"]

    chat(cli, server, "one", "two", "three", "/compact", "four", options=("-s", "Be"))

    compacted, after = asked(server)[-2:]
    assert [content for _, content in compacted][:3] == ["Be", "one", "Sum"]
    assert len(compacted) == 4
    contents = [content for _, content in after]
    assert contents[0] == "Be"
    assert contents[2:] == ["Sum", "two", "Sum", "three", "Sum", "four"]


def test_the_system_prompt_can_be_set(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "one", "/system Be brief", "two", "/system off", "three")

    systems = [messages[0] for messages in asked(server)]
    assert systems == [("user", "one"), ("system", "Be brief"), ("user", "one")]


def test_options_go_out_with_the_next_question(cli: Runner, server: FakeServer) -> None:
    chat(
        cli, server, "/option top_k=3", "/option stop=x", "one", "/option top_k=", "two"
    )

    sent = [one.json["options"] for one in server.requests if one.path == "/api/chat"]
    assert sent == [{"top_k": 3, "stop": ["x"]}, {"stop": ["x"]}]


@pytest.mark.parametrize("value", ["NaN", "[Infinity]", "1e400", "{", "a b"])
def test_an_option_that_is_no_json_goes_out_as_text(
    cli: Runner, server: FakeServer, value: str
) -> None:
    chat(cli, server, f"/option x={value}", "one")

    (sent,) = (one.json for one in server.requests if one.path == "/api/chat")
    assert sent["options"] == {"x": value}


def test_the_model_can_be_changed(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "/model beta:7b", "one")

    assert [r.json["model"] for r in server.requests if r.path == "/api/chat"] == [
        "beta:7b"
    ]
    assert "model beta:7b" in result.stderr


def test_a_file_goes_out_with_the_next_question_only(
    cli: Runner, server: FakeServer
) -> None:
    (cli.home.path / "notes").write_text("remember")

    chat(cli, server, "/file notes", "one", "two")

    first, second = (messages[-1][1] for messages in asked(server))
    assert "remember" in first
    assert second == "two"


def test_a_file_that_is_not_there_is_a_warning(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "/file nowhere", "one")

    assert result.status == 10
    assert "cannot read 'nowhere'" in lines(result, "warning")[0]
    assert len(asked(server)) == 1


def test_a_conversation_is_saved_and_loaded(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]

    chat(cli, server, "one", "/save kept.json", "/save kept.md")
    chat(cli, server, "/load kept.json", "two")

    saved = json.loads((cli.home.path / "kept.json").read_text())
    assert [m["content"] for m in saved["messages"]] == ["one", "Yes"]
    assert "## You\n\none" in (cli.home.path / "kept.md").read_text()
    assert asked(server)[-1][:2] == [("user", "one"), ("assistant", "Yes")]


def test_what_cannot_be_saved_whole_is_not_there(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = ["x" * 4096]
    # 2 blocks of 512 bytes, as dash counts them.
    limited = ["sh", "-c", 'ulimit -f 2; exec "$@"', "sh"]

    with cli.start(
        *("chat", "--commands", *address(server), "--no-history", "--no-cache"),
        through=limited,
    ) as process:
        stdout, stderr = process.communicate(b"one\n/save kept\n", timeout=30)

    assert stdout == b"x" * 4096 + b"\n"
    assert b"cannot write" in stderr
    assert not [path for path in cli.home.path.iterdir() if "kept" in path.name]


def test_what_is_saved_is_private_and_its_directory_is_there(
    cli: Runner, server: FakeServer
) -> None:
    before = os.umask(0)
    try:
        result = chat(cli, server, "one", "/save kept", "/save none/kept")
    finally:
        os.umask(before)

    assert stat.S_IMODE((cli.home.path / "kept").stat().st_mode) == 0o600
    (warning,) = lines(result, "warning")
    assert warning == "cannot write 'none/kept': No such file or directory"


def test_saving_never_overwrites(cli: Runner, server: FakeServer) -> None:
    (cli.home.path / "kept").write_text("precious")

    result = chat(cli, server, "one", "/save kept")

    assert "exists" in lines(result, "warning")[0]
    assert (cli.home.path / "kept").read_text() == "precious"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"messages": [1]}', '{"messages": [{"role": "x"}]}', "["]
)
def test_what_is_no_conversation_is_not_loaded(
    cli: Runner, server: FakeServer, text: str
) -> None:
    (cli.home.path / "file").write_text(text)

    result = chat(cli, server, "/load file")

    assert lines(result, "warning") == ["'file' is no conversation as /save writes"]


def test_a_search_finds_what_was_said(cli: Runner, server: FakeServer) -> None:
    server.answer = ["The Answer is 42"]

    result = chat(cli, server, "one", "/search answer", "/search nothing")

    assert "2 Assistant: The Answer is 42" in result.stderr
    assert "nothing holds 'nothing'" in result.stderr


@pytest.mark.parametrize("text", ["// main.c", "  indented", " /help", "a  b\t "])
def test_what_is_asked_is_asked_as_it_is(
    cli: Runner, server: FakeServer, text: str
) -> None:
    chat(cli, server, text)

    assert asked(server) == [[("user", text)]]


def test_a_path_is_no_command(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "/etc/fstab is what?")

    assert lines(result, "warning") == [
        "'/etc/fstab' is no command; /help lists them, a blank before it asks it"
    ]
    assert asked(server) == []


def test_an_unknown_command_names_the_nearest(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "/modle")

    assert lines(result, "warning") == [
        "'/modle' is no command; did you mean '/model'?"
    ]
    assert asked(server) == []


@pytest.mark.parametrize(
    "line", ["/save kept.json", "/quit", "/EXIT", "/cache clear", "/file notes"]
)
def test_a_line_of_a_pipe_is_a_question_whatever_it_looks_like(
    cli: Runner, server: FakeServer, line: str
) -> None:
    """Whoever can write such a line must not read and write files by it."""
    (cli.home.path / "notes").write_text("secret")
    server.answer = ["Yes"]

    result = chat(cli, server, line, line, "/nonsense", takes_commands=False)

    assert (result.status, result.stdout) == (0, b"Yes\nYes\nYes\n")
    assert [messages[-1] for messages in asked(server)] == [
        *[("user", line)] * 2,
        ("user", "/nonsense"),
    ]
    why = f"'{line.partition(' ')[0]}' is asked, as every line of a pipe is"
    assert lines(result, "warning") == [f"{why}; with --commands it is a command"]


def test_the_prompt_of_a_pipe_is_a_question_too(
    cli: Runner, server: FakeServer
) -> None:
    chat(cli, server, options=("/help",), takes_commands=False)

    assert asked(server) == [[("user", "/help")]]


def test_what_was_decided_for_each_question_is_told_once(
    cli: Runner, server: FakeServer
) -> None:
    result = cli.run(
        "chat", stdin=b"one\ntwo\nthree\n", environ={"OLLAMA_HOST": server.url}
    )

    assert lines(result, "note") == [
        f"using ollama at {server.url}",
        "using model 'alpha:latest'",
    ]


def test_quit_leaves(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "/quit", "one")

    assert asked(server) == []


def test_help_names_every_command(cli: Runner, server: FakeServer) -> None:
    from llmwrap.repl.slash import COMMANDS

    result = chat(cli, server, "/help")

    assert all(f"/{name}" in result.stderr for name in COMMANDS)


def test_the_cache_is_looked_after(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "one", "/cache", "/cache clear", "/cache nonsense")

    assert "entries     1" in result.stderr
    assert "1 answers removed" in result.stderr
    assert lines(result, "warning") == ["/cache knows no 'nonsense'; it knows clear"]


def test_the_deadline_is_that_of_a_turn(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "one", "two", options=("--timeout", "20s"))

    assert result.status == 0
    assert len(asked(server)) == 2


def test_a_line_that_is_too_long_ends_the_chat(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[limits]\nprompt = "16"\n')

    result = chat(cli, server, "x" * 40)

    assert result.status == 9


def test_reasoning_has_levels_and_no_other_word(
    cli: Runner, server: FakeServer
) -> None:
    server.thinking = ["hm"]

    result = chat(cli, server, "/think very", "/think low", "hi")

    assert result.status == 10
    assert "/think takes on, off, auto, low, medium, high, show and hide" in (
        result.stderr
    )
    assert chats(server)[-1].json["think"] == "low"
