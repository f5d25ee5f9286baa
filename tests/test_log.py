"""What the program says beside its answers."""

from __future__ import annotations

import json

from llmwrap.log import LEVELS, Log, json_sink, people_sink, text_sink


def test_people_get_a_line_with_program_and_level() -> None:
    lines: list[str] = []
    log = Log(people_sink(lines.append, LEVELS["note"]))

    log.note("using model 'x'")
    log.warning("the cache is damaged")

    assert lines == [
        "llmwrap: note: using model 'x'\n",
        "llmwrap: warning: the cache is damaged\n",
    ]


def test_what_is_below_the_threshold_is_not_said() -> None:
    lines: list[str] = []
    log = Log(people_sink(lines.append, LEVELS["warning"]))

    log.debug("a")
    log.info("b")
    log.note("c")

    assert lines == []


def test_the_error_line_is_left_to_the_end_of_the_program() -> None:
    lines: list[str] = []
    log = Log(
        people_sink(lines.append, 0), json_sink(lines.append, 0, has_errors=False)
    )

    log.error("boom")

    assert lines == []


def test_json_lines_have_opentelemetry_names() -> None:
    lines: list[str] = []
    log = Log(json_sink(lines.append, LEVELS["info"]))

    log.info("answered", gen_ai__request__model="m", error__type=None)
    line = json.loads(lines[0])

    assert line["severity_text"] == "INFO"
    assert line["severity_number"] == 9
    assert line["body"] == "answered"
    assert line["attributes"] == {"gen_ai.request.model": "m"}
    assert line["timestamp"].endswith("Z")


def test_text_lines_have_time_level_message_and_attributes() -> None:
    lines: list[str] = []
    log = Log(text_sink(lines.append, LEVELS["info"]))

    log.info("answered", server__port=11434)

    assert lines[0].split(" ", 1)[1] == "info answered server.port=11434\n"


def test_each_sink_has_a_threshold_of_its_own() -> None:
    people: list[str] = []
    file: list[str] = []
    log = Log(people_sink(people.append, LEVELS["note"]), text_sink(file.append, 10))

    log.debug("wire")
    log.note("seen")

    assert len(people) == 1
    assert len(file) == 2
