"""What the program says beside its answers."""

from __future__ import annotations

import json
import subprocess
import sys

from llmwrap.log import LEVELS, Log, json_sink, people_sink, text_sink

from .runner import ROOT


def test_people_are_told_level_and_message() -> None:
    told: list[tuple[str, str]] = []
    log = Log(people_sink(lambda *record: told.append(record), LEVELS["note"]))

    log.note("using model 'x'")
    log.warning("the cache is damaged")

    assert told == [("note", "using model 'x'"), ("warning", "the cache is damaged")]


def test_what_is_below_the_threshold_is_not_said() -> None:
    told: list[str] = []
    log = Log(people_sink(lambda level, _: told.append(level), LEVELS["warning"]))

    log.debug("a")
    log.info("b")
    log.note("c")

    assert told == []


def test_the_error_line_is_left_to_the_end_of_the_program() -> None:
    lines: list[str] = []
    log = Log(
        people_sink(lambda level, _: lines.append(level), 0),
        json_sink(lines.append, 0, has_errors=False),
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
    log = Log(
        people_sink(lambda level, _: people.append(level), LEVELS["note"]),
        text_sink(file.append, 10),
    )

    log.debug("wire")
    log.note("seen")

    assert len(people) == 1
    assert len(file) == 2


LOUD = """
from llmwrap.log import LOGGING
import sys
LOGGING.warning("unheard")
assert "logging" not in sys.modules
import logging
LOGGING.warning("nothing is set up")
logging.basicConfig(format="%(name)s %(levelname)s %(message)s %(x.y)s", level="INFO")
LOGGING.debug("too low", x__y=1)
LOGGING.note("100% heard", x__y=2)
"""


def test_the_log_of_the_library_follows_what_the_application_sets_up() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOUD],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == "llmwrap INFO 100% heard 2\n"
