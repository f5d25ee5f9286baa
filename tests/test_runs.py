"""What the engine records of each answer."""

from __future__ import annotations

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.messages import Message, Rendered, Request
from llmwrap.metrics.series import Labels
from llmwrap.metrics.tally import read_tally

from .fakeserver import FakeServer
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
        Labels("alpha:latest", "ollama", "summary", "miss"),
        Labels("alpha:latest", "ollama", "summary", "hit"),
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
