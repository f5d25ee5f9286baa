"""Waits between attempts: backoff, Retry-After, a model that loads; none too long."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from itertools import pairwise

import pytest

from .asking import DIALECTS, Dialect, chats, error
from .failing import asked, busy, failing
from .fakeserver import FakeServer, Silence, json_error
from .runner import Runner

_LOADING = {
    "error": {"message": "Loading model", "type": "unavailable_error", "code": 503}
}
_DAY_S = 86400

both = pytest.mark.parametrize("dialect", DIALECTS, ids=str)


def _gaps_s(server: FakeServer) -> list[float]:
    times = [request.received_s for request in chats(server)]
    return [later - earlier for earlier, later in pairwise(times)]


@both
@pytest.mark.parametrize(
    "value",
    ["soon", "-5", "1e9", "", "٣", "Wed, 99 Foo 2026 00:00:00 GMT", formatdate(0), "0"],
)
def test_a_retry_after_of_the_past_or_without_sense_is_no_wait(
    cli: Runner, server: FakeServer, dialect: Dialect, value: str
) -> None:
    header = ("Retry-After", value.encode().decode("latin-1"))
    failing(server, dialect, *busy(header), times=2)

    result = asked(cli, server, dialect, "--retries", "2", "--timeout", "10")

    assert (result.status, len(chats(server))) == (0, 3)


@both
def test_a_retry_after_in_seconds_is_waited_for(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    failing(server, dialect, *busy(("Retry-After", "1")), times=1)

    assert asked(cli, server, dialect, "--retries", "1").status == 0
    assert _gaps_s(server)[0] >= 1


def test_a_retry_after_as_a_date_is_waited_for(cli: Runner, server: FakeServer) -> None:
    date = formatdate(time.time() + 2, usegmt=True)
    failing(server, DIALECTS[0], *busy(("Retry-After", date), status=429), times=1)

    assert asked(cli, server, DIALECTS[0], "--retries", "1").status == 0
    assert _gaps_s(server)[0] >= 0.5  # the date has no fractions of a second


@both
@pytest.mark.parametrize(
    "value",
    [str(_DAY_S), formatdate(time.time() + _DAY_S, usegmt=True), "9" * 400],
    ids=["seconds", "date", "endless"],
)
@pytest.mark.parametrize("how", ["-q", "-v"])
def test_a_retry_after_beyond_the_deadline_ends_it_now(
    cli: Runner, server: FakeServer, dialect: Dialect, value: str, how: str
) -> None:
    failing(server, dialect, *busy(("Retry-After", value)))

    result = asked(cli, server, dialect, "--retries", "3", how)

    assert (result.status, len(server.requests)) == (6, 1)
    assert "retrying" not in result.stderr


@both
def test_a_backoff_beyond_the_deadline_ends_it_now(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    failing(server, dialect, *busy())

    result = asked(cli, server, dialect, "--retries", "3", "--timeout", "5", delay="60")

    assert (result.status, len(server.requests)) == (6, 1)


def test_the_wait_doubles(cli: Runner, server: FakeServer) -> None:
    """With jitter: between half of it and all of it."""
    failing(server, DIALECTS[0], *busy())

    asked(cli, server, DIALECTS[0], "--retries", "3", delay="200ms")

    gaps = _gaps_s(server)
    assert all(gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True))


@both
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_model_that_loads_is_waited_out_and_not_counted(
    cli: Runner, server: FakeServer, dialect: Dialect, how: str
) -> None:
    failing(server, dialect, *json_error(503, _LOADING), times=3)

    result = asked(cli, server, dialect, "--retries", "0", "--json", how)

    assert result.status == 0
    assert (json.loads(result.stdout)["attempts"], len(chats(server))) == (1, 4)


@both
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--first-token-timeout", "still loads its model after 500ms"),
        ("--timeout", "deadline"),
    ],
)
def test_a_model_that_loads_for_ever_is_a_timeout(
    cli: Runner, server: FakeServer, dialect: Dialect, option: str, said: str
) -> None:
    failing(server, dialect, *json_error(503, _LOADING))

    result = asked(cli, server, dialect, "--retries", "0", option, "0.5")

    assert result.status == 124
    assert said in error(result)


@both
def test_a_model_that_loads_in_silence_is_a_timeout_that_says_so(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    """Told once, and the time-out passes while it is asked again."""
    failing(server, dialect, *json_error(503, _LOADING), times=1)
    failing(server, dialect, Silence())

    result = asked(cli, server, dialect, "--retries", "0", "--first-token-timeout", "2")

    assert result.status == 124
    assert "still loads its model after 2s" in error(result)


@both
def test_retries_are_counted_beside_the_loading(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    for reply in (busy(), json_error(503, _LOADING), busy(), json_error(503, _LOADING)):
        failing(server, dialect, *reply, times=1)

    result = asked(cli, server, dialect, "--retries", "2", "--json")

    assert result.status == 0
    assert (json.loads(result.stdout)["attempts"], len(chats(server))) == (3, 5)


@both
@pytest.mark.parametrize(("first_token", "status"), [("5", 0), ("0.3", 124)])
def test_a_model_that_loads_is_waited_for_when_none_is_named(
    cli: Runner, server: FakeServer, dialect: Dialect, first_token: str, status: int
) -> None:
    """llama.cpp answers everything so, its list of models too."""
    path = "/api/tags" if dialect.name == "ollama" else "/v1/models"
    server.script(path, json_error(503, _LOADING), times=2)
    argv = ("--base-url", server.url + dialect.suffix, "--retries", "0")

    result = cli.run(*argv, "--first-token-timeout", first_token, "hi")

    assert (result.status, len(chats(server))) == (status, int(status == 0))


@both
def test_a_model_that_loads_is_asked_no_earlier_than_it_wants(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    failing(server, dialect, *json_error(503, _LOADING, ("Retry-After", "1")), times=2)

    result = asked(cli, server, dialect, "--retries", "0")

    assert result.status == 0
    assert min(_gaps_s(server)) >= 1


@both
def test_a_model_that_loads_for_longer_than_anybody_waits_is_not_waited_for(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    loading = json_error(503, _LOADING, ("Retry-After", str(_DAY_S)))
    failing(server, dialect, *loading)

    result = asked(cli, server, dialect, "--retries", "0")

    assert (result.status, len(chats(server))) == (6, 1)
    assert "Loading model" in error(result)
