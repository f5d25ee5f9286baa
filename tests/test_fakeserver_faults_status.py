"""Test that the faults of statuses do on the wire what their names say."""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import pytest

from tests.fakeserver import DEFAULT_ANSWER, FakeServer, Fault
from tests.fakeserver.decoding import text_of
from tests.fakeserver.faults.status import (
    EMPTY_STATUSES,
    HTML_STATUSES,
    JSON_STATUSES,
    REDIRECT_STATUSES,
    RETRY_STATUSES,
    STATUS_KINDS,
)
from tests.fakeserver.rawclient import RawReply, exchange
from tests.fakeserver.striking import (
    Check,
    after_strikes,
    faults_of,
    request_for,
    struck,
)


def _status_said(fault: Fault) -> int:
    """Return the status that a fault's name says."""
    (number,) = re.findall(r"\d{3}", fault.kind.name)
    return int(number)


def _check_json(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == _status_said(fault)
    assert reply.headers["content-type"] == fault.speech.whole_type
    assert "no luck" in str(json.loads(reply.body)["error"])


def _check_html(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == _status_said(fault)
    assert (reply.headers["content-type"], reply.body[:6]) == ("text/html", b"<html>")


def _check_empty(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == _status_said(fault)
    assert (reply.headers["content-length"], reply.body) == ("0", b"")


def _check_broken(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == 500
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(reply.body)


def _check_huge(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, len(json.loads(reply.body)["error"])) == (500, 48 * 2**20)


def _check_cut(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, reply.headers["content-length"]) == (500, "1000")
    assert (reply.body, reply.ending) == (b'{"error":"half', "closed")


def _check_text(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, reply.body) == (404, b"404 page not found")


def _after(fault: Fault, strikes: int, status: int) -> list[RawReply]:
    """Return the replies of a fault that strikes some times and then works."""
    replies, last = after_strikes(fault)

    assert [reply.status for reply in replies] == [status] * strikes
    assert text_of(fault.dialect, last.body) == "".join(DEFAULT_ANSWER)
    return replies


def _check_works_after(strikes: int, status: int) -> Check:
    def check(fault: Fault) -> None:
        _after(fault, strikes, status)

    return check


def _check_loading(fault: Fault) -> None:
    replies = _after(fault, 3, 503)

    assert {json.loads(one.body)["error"]["message"] for one in replies} == {
        "Loading model"
    }


def _check_retry(value: str) -> Check:
    def check(fault: Fault) -> None:
        (reply,) = _after(fault, 1, _status_said(fault))

        assert reply.headers["retry-after"] == value

    return check


def _check_retry_date(fault: Fault) -> None:
    """The date is after the request, by the server's own clock."""
    before = int(time.time())

    (reply,) = _after(fault, 1, _status_said(fault))

    date = parsedate_to_datetime(reply.headers["retry-after"]).timestamp()
    assert date > before


def _check_retry_day(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == _status_said(fault)
    assert reply.headers["retry-after"] == "86400"


def _check_redirect(host: str | None, is_loop: bool = False) -> Check:
    def check(fault: Fault) -> None:
        with FakeServer() as server:
            fault.arm(server)
            method, body = request_for(fault)
            place = f"127.0.0.1:{server.port}"
            reply = exchange(server.port, method, fault.path, body, ("Host", place))

        path = fault.path if is_loop else "/elsewhere"
        target = f"{host}:{server.port}" if host else place
        assert reply.status == _status_said(fault)
        assert reply.headers["location"] == f"http://{target}{path}"

    return check


def _check_nowhere(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, "location" in reply.headers) == (307, False)


STATUS_CHECKS: Mapping[str, Check] = {
    **{f"status_{status}_json": _check_json for status in JSON_STATUSES},
    **{f"status_{status}_html": _check_html for status in HTML_STATUSES},
    **{f"status_{status}_empty": _check_empty for status in EMPTY_STATUSES},
    "status_404_text": _check_text,
    "status_500_broken_json": _check_broken,
    "status_500_huge": _check_huge,
    "status_500_cut": _check_cut,
    "status_600": _check_empty,
    "fails_once_with_500_then_works": _check_works_after(1, 500),
    "fails_twice_with_503_then_works": _check_works_after(2, 503),
    "loading_model_then_works": _check_loading,
    **{f"retry_after_seconds_{one}": _check_retry("1") for one in RETRY_STATUSES},
    **{f"retry_after_nonsense_{one}": _check_retry("soon") for one in RETRY_STATUSES},
    **{f"retry_after_negative_{one}": _check_retry("-3") for one in RETRY_STATUSES},
    **{f"retry_after_date_{one}": _check_retry_date for one in RETRY_STATUSES},
    **{f"retry_after_day_{one}": _check_retry_day for one in RETRY_STATUSES},
    **{f"redirect_{one}": _check_redirect(None) for one in REDIRECT_STATUSES},
    **{
        f"redirect_loop_{one}": _check_redirect(None, is_loop=True)
        for one in (302, 307, 308)
    },
    **{
        f"redirect_other_host_{one}": _check_redirect("localhost")
        for one in (302, 307, 308)
    },
    "redirect_nowhere": _check_nowhere,
}


@pytest.mark.parametrize("fault", faults_of(STATUS_KINDS), ids=str)
def test_a_fault_of_statuses_does_what_its_name_says(fault: Fault) -> None:
    STATUS_CHECKS[fault.kind.name](fault)
