"""Test that the faults of streams do on the wire what their names say."""

from collections.abc import Mapping

import pytest

from tests.fakeserver import Fault
from tests.fakeserver.decoding import (
    has_done,
    has_end_marker,
    objects,
    payloads,
    text_of,
)
from tests.fakeserver.faults.stream import ERROR_TEXT, STREAM_KINDS
from tests.fakeserver.speech import Dialect
from tests.fakeserver.striking import (
    Check,
    assert_cut,
    assert_whole,
    faults_of,
    struck,
)

_ERROR = ERROR_TEXT.encode()


def _check_no_end(fault: Fault) -> None:
    reply = struck(fault)

    assert_cut(fault, reply.body)
    assert reply.chunked.is_ended
    assert not has_done(reply.body)


def _check_no_line_end(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert not reply.body.endswith(b"\n")
    assert reply.chunked.is_ended


def _check_text_after_end(fault: Fault) -> None:
    body = struck(fault).body
    ended, _, after = body.rpartition(
        b'"done":true' if fault.dialect == "ollama" else b"[DONE]"
    )

    assert text_of(fault.dialect, ended) == fault.kept()
    assert b"after the end" in after


def _check_ended_twice(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    once = b'"done":true' if fault.dialect == "ollama" else b"[DONE]"
    assert body.count(once) == 2


def _check_no_done(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    assert not has_done(body)


def _check_done_alone(fault: Fault) -> None:
    body = struck(fault).body

    assert_cut(fault, body)
    assert has_done(body)


def _check_reason_length(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    assert b'reason":"length"' in body


def _check_error(mark: bytes, is_ended: bool = False) -> Check:
    """Return a check for tokens, then an error that is written as `mark`."""

    def check(fault: Fault) -> None:
        reply = struck(fault)
        before, found, after = reply.body.partition(mark)

        assert found, reply.body
        assert text_of(fault.dialect, before) == fault.kept()
        assert has_end_marker(fault.dialect, before + after) == is_ended
        assert (reply.status, reply.chunked.is_ended) == (200, True)

    return check


def _check_error_and_done(mark: bytes) -> Check:
    def check(fault: Fault) -> None:
        _check_error(mark)(fault)

        assert struck(fault).body.endswith(b"\n\ndata: [DONE]\n\n")

    return check


def _check_whole_json(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.headers["content-type"].startswith("application/json")
    assert b'"content":"one two three"' in reply.body
    assert len(reply.body) == int(reply.headers["content-length"])


def _check_error_alone(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, reply.headers["content-type"][:16]) == (
        200,
        "application/json",
    )
    assert reply.body.startswith(b'{"error":"Unexpected endpoint or method. (POST /')


def _check_page(is_honest: bool) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        honest, stream = "text/html; charset=utf-8", fault.speech.stream_type
        assert reply.headers["content-type"] == (honest if is_honest else stream)
        assert (reply.status, reply.body[:15]) == (200, b"<!DOCTYPE html>")

    return check


def _check_nothing(status: int) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert (reply.status, reply.body) == (status, b"")
        assert reply.headers["content-length"] == "0"

    return check


def _check_other_dialect(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.headers["content-type"] == fault.speech.stream_type
    assert objects(fault.dialect, reply.body) == []
    other: Dialect = "openai" if fault.dialect == "ollama" else "ollama"
    assert len(payloads(other, reply.body)) == 4


STREAM_CHECKS: Mapping[str, Check] = {
    "no_end_marker": _check_no_end,
    "end_marker_without_line_end": _check_no_line_end,
    "text_after_end": _check_text_after_end,
    "ended_twice": _check_ended_twice,
    "finish_without_done": _check_no_done,
    "done_without_finish": _check_done_alone,
    "finish_reason_length": _check_reason_length,
    "error_text": _check_error(b'{"error":"' + _ERROR),
    "error_object": _check_error(b'{"error":{"code":500,"message":"' + _ERROR),
    "error_nested_json": _check_error(rb'{"error":"{\"error\":{\"code\":400,'),
    "error_flat": _check_error(b'{"object":"error","message":"' + _ERROR),
    "error_then_end_marker": _check_error(_ERROR, is_ended=True),
    "error_then_done": _check_error_and_done(b'{"error":{"message":"' + _ERROR),
    "error_event": _check_error(b'event: error\ndata: {"error":{"message":'),
    "error_event_bare": _check_error(b'event: error\ndata: {"message":"' + _ERROR),
    "error_field": _check_error_and_done(b'\n\nerror: {"code":500,"message":'),
    "error_unframed": _check_error(b'\n\n{"error":{"message":"' + _ERROR),
    "error_lost": _check_error(b'"model":""'),
    "not_streamed": _check_whole_json,
    "error_instead_of_stream": _check_error_alone,
    "html_instead_of_stream": _check_page(is_honest=True),
    "html_under_stream_type": _check_page(is_honest=False),
    "empty_body": _check_nothing(200),
    "no_content": _check_nothing(204),
    "other_dialect": _check_other_dialect,
}


@pytest.mark.parametrize("fault", faults_of(STREAM_KINDS), ids=str)
def test_a_fault_of_streams_does_what_its_name_says(fault: Fault) -> None:
    STREAM_CHECKS[fault.kind.name](fault)
