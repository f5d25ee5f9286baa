"""Test that the faults of streams and payloads do on the wire what their names say."""

from collections.abc import Callable, Mapping

import pytest

from tests.fakeserver import Fault
from tests.fakeserver.decoding import (
    has_done,
    has_end_marker,
    objects,
    payloads,
    text_of,
)
from tests.fakeserver.faults.events import EVENT_KINDS
from tests.fakeserver.faults.payload import DEPTH, DIGITS, PAYLOAD_KINDS
from tests.fakeserver.faults.stream import ERROR_TEXT, STREAM_KINDS
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
    assert reply.has_last_chunk
    assert not has_done(reply.body)


def _check_no_line_end(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert not reply.body.endswith(b"\n")
    assert reply.has_last_chunk


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
        assert (reply.status, reply.has_last_chunk) == (200, True)

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
    other = "openai" if fault.dialect == "ollama" else "ollama"
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


def _odd_payload(fault: Fault, body: bytes) -> bytes:
    """Return the payload between the last token and the end."""
    found = payloads(fault.dialect, body)
    last = max(at for at, one in enumerate(found) if b'"content":" three"' in one)
    return found[last + 1]


def _check_payload(is_right: Callable[[bytes], bool]) -> Check:
    """Return a check of the one frame between the tokens and a good end."""

    def check(fault: Fault) -> None:
        body = struck(fault).body

        assert is_right(_odd_payload(fault, body))
        assert has_end_marker(fault.dialect, body)
        assert text_of(fault.dialect, body) == fault.kept()

    return check


def _is(payload: bytes) -> Check:
    return _check_payload(lambda odd: odd == payload)


def _has(part: bytes) -> Check:
    return _check_payload(lambda odd: part in odd)


def _lacks(part: bytes) -> Check:
    return _check_payload(lambda odd: part not in odd)


def _check_negative_usage(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    count = b'"eval_count":-3' if fault.dialect == "ollama" else b'_tokens":-3'
    assert count in body


PAYLOAD_CHECKS: Mapping[str, Check] = {
    "json_broken": _check_payload(lambda odd: odd[-1:] != b"}" and b"MARK" in odd),
    "json_words": _is(b"internal error!"),
    "json_twice": _is(b"{}{}"),
    "json_list": _is(b"[1,2]"),
    "json_string": _is(b'"text"'),
    "json_number": _is(b"42"),
    "json_true": _is(b"true"),
    "json_null": _is(b"null"),
    "json_empty": _is(b"{}"),
    "json_too_deep": _is(b"[" * DEPTH),
    "json_field_too_deep": _has(b'"x":' + b"[" * DEPTH + b"]" * DEPTH + b"}"),
    "json_nan": _has(b'"x":NaN}'),
    "json_infinity": _has(b'"x":-Infinity}'),
    "json_5000_digits": _has(b'"x":' + b"9" * DIGITS + b"}"),
    "json_raw_control": _has(b'"content":"a\x0bb"'),
    "json_bad_escape": _has(rb'"content":"\x41"'),
    "content_number": _has(b'"content":42}'),
    "content_true": _has(b'"content":true}'),
    "content_list": _has(b'"content":["a"]}'),
    "content_object": _has(b'"content":{}}'),
    "content_null": _has(b'"content":null}'),
    "message_string": _check_payload(
        lambda odd: b'"message":"text"' in odd or b'"delta":"text"' in odd
    ),
    "message_null": _has(b'"message":null'),
    "message_missing": _lacks(b'"message"'),
    "delta_null": _has(b'"delta":null'),
    "delta_missing": _lacks(b'"delta"'),
    "choices_empty": _has(b'"choices":[]'),
    "choices_null": _has(b'"choices":null'),
    "choices_missing": _lacks(b'"choices"'),
    "choices_object": _has(b'"choices":{"0":{}}'),
    "choices_of_strings": _has(b'"choices":["text"]'),
    "unknown_fields": _has(b'"x":{"deep":[1,2,{"er":null}]}}'),
    "usage_negative": _check_negative_usage,
    "lone_surrogate": _has(rb'"content":"\ud83d"'),
    "surrogate_pair": _has(rb'"content":"a\ud83d\ude00b"'),
    "utf8_invalid": _has(b'"content":"a\xff\xfeb"'),
    "utf8_cut": _has(b'"content":"a\xe2\x82b"'),
}


@pytest.mark.parametrize("fault", faults_of(PAYLOAD_KINDS), ids=str)
def test_a_fault_of_payloads_does_what_its_name_says(fault: Fault) -> None:
    PAYLOAD_CHECKS[fault.kind.name](fault)


def _check_events(are_so: Callable[[bytes], bool]) -> Check:
    def check(fault: Fault) -> None:
        body = struck(fault).body

        assert_whole(fault, body)
        assert are_so(body)

    return check


EVENT_CHECKS: Mapping[str, Check] = {
    "data_without_space": _check_events(
        lambda body: body.startswith(b"data:{") and b"data: " not in body
    ),
    "data_in_several_lines": _check_events(lambda body: b',\ndata: "' in body),
    "data_empty": _check_events(lambda body: b"\n\ndata: \n\n" in body),
    "event_fields": _check_events(
        lambda body: body.startswith(b"id: 1\nevent: message\nretry: 10\nx\ny: z\n")
    ),
}


@pytest.mark.parametrize("fault", faults_of(EVENT_KINDS), ids=str)
def test_a_fault_of_events_does_what_its_name_says(fault: Fault) -> None:
    EVENT_CHECKS[fault.kind.name](fault)
