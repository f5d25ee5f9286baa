"""Test that the faults of payloads and events do on the wire what their names say."""

from collections.abc import Callable, Mapping

import pytest

from tests.fakeserver import Fault
from tests.fakeserver.decoding import (
    has_end_marker,
    payloads,
    text_of,
)
from tests.fakeserver.faults.events import EVENT_KINDS
from tests.fakeserver.faults.payload import DEPTH, DIGITS, PAYLOAD_KINDS
from tests.fakeserver.striking import (
    Check,
    assert_whole,
    faults_of,
    struck,
)


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
