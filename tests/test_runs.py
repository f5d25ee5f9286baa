"""What the engine records of each answer."""

from __future__ import annotations

import pytest

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.errors import RefusedError
from llmwrap.messages import Message, Rendered, Request
from llmwrap.metrics.series import Labels
from llmwrap.metrics.tally import read_tally

from .fakeserver import FakeServer, json_error, json_reply
from .runner import Home

QUESTION = Request("alpha:latest", (Message("user", "Hello"),))


def engine(home: Home, server: FakeServer, choice: Choice = Choice()) -> Engine:
    config = Config.load(home.configure(""), home.environ)
    chosen = choice._replace(base_url=server.url)
    return Engine(config, environ=home.environ, choice=chosen)


def test_the_template_and_its_rendering_belong_to_the_run(
    home: Home, server: FakeServer
) -> None:
    with engine(home, server) as asked:
        asked.ask(QUESTION, Rendered("summary", 0.004)).read()
        asked.ask(QUESTION, Rendered("summary", 0.004)).read()

    series = read_tally(home.environ).series
    assert set(series) == {
        Labels("alpha:latest", "ollama", "summary", "miss", server.url),
        Labels("alpha:latest", "ollama", "summary", "hit", server.url),
    }
    rendering = [one.histogram("rendering_s").most for one in series.values()]
    assert rendering == [0.004, 0.004]


def test_nobody_looked_up_what_was_asked_anew(home: Home, server: FakeServer) -> None:
    with engine(home, server, Choice(cache="refresh")) as asked:
        asked.ask(QUESTION).read()

    (series,) = read_tally(home.environ).series.values()
    assert not series.histogram("lookup_s").count
    assert series.histogram("ttft_s").count == 1


def test_an_answer_that_was_left_is_no_error(home: Home, server: FakeServer) -> None:
    with engine(home, server) as asked, asked.ask(QUESTION) as answer:
        next(answer)

    every = read_tally(home.environ).total()
    assert (every.runs, every.failed) == (1, 0)


@pytest.mark.parametrize("outcome", ["miss", "hit"])
def test_an_answer_that_was_dropped_is_not_recorded_whoever_gave_it(
    home: Home, server: FakeServer, outcome: str
) -> None:
    """Recording waits for a lock, and a finalizer may not."""
    with engine(home, server) as asked:
        if outcome == "hit":
            asked.ask(QUESTION).read()
        next(asked.ask(QUESTION))

    assert read_tally(home.environ).count(outcome) == 0


def test_servers_of_one_name_are_told_apart(home: Home, server: FakeServer) -> None:
    with FakeServer() as other:
        for one in (server, other):
            with engine(home, one) as asked:
                asked.ask(QUESTION).read()

    found = {labels.address for labels in read_tally(home.environ).series}
    assert found == {server.url, other.url}


def test_errors_and_answers_of_one_model_are_one_row(
    home: Home, server: FakeServer
) -> None:
    """The reply names it otherwise, and an error has no reply."""
    answer = {"message": {"content": "Hi"}, "done": True, "model": "alpha-2026-11-01"}
    server.script("/api/chat", json_error(400, {"error": "no"}))
    server.script("/api/chat", json_reply(answer))

    with engine(home, server) as asked:
        with pytest.raises(RefusedError):
            asked.ask(QUESTION).read()
        assert asked.ask(QUESTION).read().model == "alpha-2026-11-01"

    ((labels, series),) = read_tally(home.environ).series.items()
    assert (labels.model, series.runs, series.failed) == (QUESTION.model, 2, 1)


def test_of_an_answer_in_one_piece_no_first_token_was_seen(
    home: Home, server: FakeServer
) -> None:
    with engine(home, server) as asked:
        timing = asked.ask(QUESTION._replace(is_streamed=False)).read().timing

    assert (timing.ttft_s, timing.tpot_s) == (None, None)
    assert timing.e2e_s is not None
    (series,) = read_tally(home.environ).series.values()
    assert not series.histogram("ttft_s").count
    assert not series.histogram("tpot_s").count


@pytest.mark.parametrize("is_streamed", [True, False])
def test_tokens_that_nobody_counted_are_none(
    home: Home, server: FakeServer, is_streamed: bool
) -> None:
    answer = {
        "message": {"content": "Hi"},
        "done": True,
        "prompt_eval_count": 0,
        "eval_count": 0,
    }
    server.script("/api/chat", json_reply(answer))

    with engine(home, server) as asked:
        usage = asked.ask(QUESTION._replace(is_streamed=is_streamed)).read().usage

    assert usage == (None, None)
