"""One object writes: lines stay whole, and nothing drives a terminal."""

from __future__ import annotations

import json
from typing import Any

import pyte
import pytest

from llmwrap.cli.output import Output
from llmwrap.cli.tables import Column
from llmwrap.errors import LLMWrapError, OutputError, RefusedError, UsageError

from .runner import MemoryContext, Runner, one_place

HOSTILE = "a\x1b[2J\x9b2J\x07\r\x7f\u202e\u2066\u200bz"
HARMFUL = set("\x1b\x9b\x07\r\x7f\u202e\u2066\u200b")
WARNING = "llmwrap: warning: careful\n"


@pytest.fixture
def piped(cli: Runner) -> MemoryContext:
    """Return a context whose descriptors are two pipes."""
    return cli.context()


@pytest.fixture
def merged(cli: Runner) -> MemoryContext:
    """Return a context whose descriptors are one pipe."""
    return one_place(cli.context())


@pytest.fixture
def terminal(cli: Runner) -> MemoryContext:
    """Return a context whose descriptors are one terminal."""
    return one_place(cli.context(tty=True, environ={"NO_COLOR": "1"}))


def written(context: MemoryContext) -> str:
    return context.stdout.written.decode()


def screen(context: MemoryContext) -> list[str]:
    """Return the rows that a terminal of 80 columns shows, without empty ones."""
    emulated = pyte.Screen(80, 24)
    pyte.Stream(emulated).feed(written(context).replace("\n", "\r\n"))
    return [line.rstrip() for line in emulated.display if line.strip()]


# Data


def test_rows_are_one_json_object_under_the_name_of_the_group(
    piped: MemoryContext,
) -> None:
    piped.output.json_rows("models", [{"name": "ä"}], more=1)

    line = piped.stdout.written
    assert json.loads(line) == {"version": 1, "models": [{"name": "ä"}], "more": 1}
    assert line.count(b"\n") == 1


def test_an_error_is_put_on_stdout_for_who_reads_json(piped: MemoryContext) -> None:
    with pytest.raises(RefusedError), piped.output.errors_as_json(is_wanted=True):
        raise RefusedError("model 'x' not found", hint="run 'llmwrap models'")

    assert json.loads(piped.stdout.written) == {
        "version": 1,
        "error": {
            "kind": "refused",
            "message": "model 'x' not found; run 'llmwrap models'",
            "exit_status": 5,
        },
    }


@pytest.mark.parametrize(
    ("error", "is_wanted"), [(UsageError("x"), True), (RefusedError("x"), False)]
)
def test_a_usage_error_and_one_nobody_wants_as_json_are_not(
    error: LLMWrapError, is_wanted: bool, piped: MemoryContext
) -> None:
    with (
        pytest.raises(LLMWrapError),
        piped.output.errors_as_json(is_wanted=is_wanted),
    ):
        raise error

    assert piped.stdout.written == b""


def write_all_kinds(output: Output) -> None:
    """Let a hostile text through each door there is."""
    output.text(HOSTILE)
    output.end_text()
    output.line(HOSTILE)
    output.rows((Column("A"),), [[HOSTILE]])
    output.json({HOSTILE: [{HOSTILE: HOSTILE}]})
    output.json_rows(HOSTILE, [{"x": HOSTILE}])
    output.note("note", HOSTILE)
    output.log_line(HOSTILE)
    output.say(HOSTILE)
    output.prompt(HOSTILE)
    output.thinking(HOSTILE)
    output.end_thinking()


def test_no_door_lets_through_what_drives_a_terminal(terminal: MemoryContext) -> None:
    write_all_kinds(terminal.output)

    assert not HARMFUL & set(written(terminal))


def test_a_progress_line_is_harmless_and_fits(terminal: MemoryContext) -> None:
    terminal.output.progress(HOSTILE)
    terminal.output.progress("下载" * 200)

    _, hostile, wide = written(terminal).split("\r\x1b[K")
    assert hostile.isprintable()
    assert wide == "下载" * 19 + "下"
    assert len(screen(terminal)) == 1


def test_stderr_is_cleaned_on_a_pipe_too(piped: MemoryContext) -> None:
    write_all_kinds(piped.output)

    assert not HARMFUL & set(piped.stderr.written.decode())
    assert HOSTILE.encode() in piped.stdout.written


@pytest.mark.parametrize(
    ("sanitize", "tty", "is_cleaned"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("always", False, True),
        ("never", True, False),
    ],
)
def test_who_asks_decides_what_stdout_gets(
    cli: Runner, sanitize: str, tty: bool, is_cleaned: bool
) -> None:
    context = cli.context(tty=tty)
    context.output.sanitize = sanitize

    context.output.text(HOSTILE)
    context.output.json({"x": HOSTILE})

    assert ("\x9b" not in written(context)) == is_cleaned


# Who has the line


def test_a_note_waits_for_the_end_of_the_line(merged: MemoryContext) -> None:
    merged.output.text("one ")
    merged.output.note("warning", "careful")
    merged.output.text("line\nand ano")
    merged.output.text("ther\n")

    assert written(merged) == f"one line\n{WARNING}and another\n"


def test_a_note_waits_for_the_end_of_the_answer_at_the_latest(
    merged: MemoryContext,
) -> None:
    merged.output.text("no end")
    merged.output.note("warning", "careful")
    merged.output.log_line("time level words\n")
    merged.output.end_text()

    assert written(merged) == f"no end\n{WARNING}time level words\n"


def test_a_note_between_two_lines_is_there_at_once(merged: MemoryContext) -> None:
    merged.output.text("a line\n")
    merged.output.note("warning", "careful")

    assert written(merged) == f"a line\n{WARNING}"


def test_apart_from_the_answer_nothing_waits(piped: MemoryContext) -> None:
    piped.output.text("no end")
    piped.output.note("warning", "careful")

    assert piped.stderr.written.decode() == WARNING


def test_reasoning_between_two_pieces_of_text_has_lines_of_its_own(
    merged: MemoryContext,
) -> None:
    output = merged.output
    output.thinking("hm")
    output.text("first ")
    output.thinking("so")
    output.thinking(" it\nis")
    output.note("warning", "careful")
    output.text("line\nsecond")
    output.thinking("end")
    output.end_text()

    assert written(merged).splitlines() == [
        *("hm", "first line", "so it", WARNING.strip(), "is", "second", "end")
    ]


def test_lines_of_reasoning_end_where_they_end_wherever_they_are_cut(
    piped: MemoryContext,
) -> None:
    for piece in ("one\r", "\ntwo\r\nthree", "\r"):
        piped.output.thinking(piece)
    piped.output.end_thinking()

    assert piped.stderr.written.decode() == "one\ntwo\nthree^M\n"


def test_a_note_waits_for_the_end_of_the_reasoning_too(piped: MemoryContext) -> None:
    piped.output.thinking("h")
    piped.output.note("warning", "careful")
    piped.output.thinking("m")
    piped.output.text("text")

    assert piped.stderr.written.decode() == f"hm\n{WARNING}"


def test_json_begins_a_line(merged: MemoryContext) -> None:
    merged.output.thinking("hm")
    merged.output.json_line({"type": "text"})

    assert written(merged) == 'hm\n{"type": "text"}\n'


def test_reasoning_among_lines_of_json_is_whole_lines(merged: MemoryContext) -> None:
    for word in ("h", "m\ns", "o"):
        merged.output.json_line(word)
        merged.output.thinking(word)
    merged.output.end_thinking()

    assert written(merged).splitlines() == ['"h"', '"m\\ns"', "hm", '"o"', "so"]


def test_closing_ends_every_line_and_says_what_waits(merged: MemoryContext) -> None:
    merged.output.text("broken")
    merged.output.note("warning", "careful")
    merged.output.close()
    merged.output.note("error", "it broke")

    assert written(merged) == f"broken\n{WARNING}llmwrap: error: it broke\n"


def test_what_waits_is_said_though_stdout_takes_nothing(piped: MemoryContext) -> None:
    piped.stdout.error = OutputError("no space")

    with pytest.raises(OutputError):
        piped.output.text("text")
    piped.output.note("warning", "careful")
    piped.output.close()

    assert piped.stderr.written.decode() == WARNING


def test_a_prompt_is_ended_by_who_answers_it(merged: MemoryContext) -> None:
    merged.output.prompt("You: ")
    merged.output.note("warning", "careful")

    assert written(merged) == f"You: {WARNING}"


def test_progress_stays_below_what_is_said(terminal: MemoryContext) -> None:
    terminal.output.progress("half")
    terminal.output.note("warning", "careful")
    terminal.output.progress("three quarters")

    assert screen(terminal) == ["llmwrap: warning: careful", "three quarters"]


def test_progress_is_gone_before_data(terminal: MemoryContext) -> None:
    terminal.output.progress("half")
    terminal.output.line("data")

    assert screen(terminal) == ["data"]


@pytest.mark.parametrize("name", ["is_plain", "is_quiet"])
def test_who_wants_no_animation_gets_none(terminal: MemoryContext, name: str) -> None:
    setattr(terminal.output, name, True)

    terminal.output.progress("half")

    assert written(terminal) == ""


# Markdown


def draw(context: MemoryContext, *steps: tuple[str, str]) -> list[str]:
    """Draw an answer, other things in between; return the rows of the screen."""
    output = context.output
    output.begin_markdown()
    for kind, text in steps:
        say: Any = output.text if kind == "text" else output.thinking
        output.note("warning", text) if kind == "note" else say(text)
        output.rest()
    output.end_text()
    return screen(context)


def test_a_note_waits_until_what_is_drawn_is_done(terminal: MemoryContext) -> None:
    shown = draw(
        terminal, ("text", "Some **bo"), ("note", "careful"), ("text", "ld** text.")
    )

    assert shown == ["Some bold text.", "llmwrap: warning: careful"]


def test_a_note_before_the_first_piece_is_there_at_once(
    terminal: MemoryContext,
) -> None:
    terminal.output.begin_markdown()
    terminal.output.note("warning", "careful")

    assert screen(terminal) == ["llmwrap: warning: careful"]


def test_reasoning_goes_above_the_open_block(terminal: MemoryContext) -> None:
    shown = draw(
        terminal,
        ("text", "Done.\n\nSome **bo"),
        ("thinking", "hm, "),
        ("note", "careful"),
        ("thinking", "so\nit is"),
        ("text", "ld** text."),
    )

    assert shown == [
        "Done.",
        "hm, so",
        "it is",
        "llmwrap: warning: careful",
        "Some bold text.",
    ]


def test_reasoning_at_the_end_leaves_the_text_there(terminal: MemoryContext) -> None:
    shown = draw(terminal, ("text", "Some text"), ("thinking", "hm"))

    assert shown == ["hm", "Some text"]


def test_what_is_open_when_it_breaks_stays_once(terminal: MemoryContext) -> None:
    terminal.output.begin_markdown()
    terminal.output.text("one **two**")
    terminal.output.close()
    terminal.output.note("error", "it broke")

    assert screen(terminal) == ["one two", "llmwrap: error: it broke"]


# Line ends


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_that_end_in_crlf_look_like_any_other(
    terminal: MemoryContext, size: int
) -> None:
    text = "one\r\n\r\ntwo\r\nx\ry\r"

    for at in range(0, len(text), size):
        terminal.output.text(text[at : at + size])
    terminal.output.end_text()

    assert screen(terminal) == ["one", "two", "x^My^M"]


def test_a_pipe_gets_the_line_ends_as_they_are(piped: MemoryContext) -> None:
    piped.output.text("one\r")
    piped.output.text("\ntwo\r")
    piped.output.end_text()

    assert piped.stdout.written == b"one\r\ntwo\r\n"
