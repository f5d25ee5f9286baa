"""Test that the faults of texts do on the wire what their names say."""

import json
from collections.abc import Mapping

import pytest

from tests.fakeserver import (
    FAULTS,
    HOSTILE_NAMES,
    SEPARATORS,
    TERMINAL_SEQUENCES,
    Fault,
)
from tests.fakeserver.decoding import objects
from tests.fakeserver.faults.text import TEXT_KINDS
from tests.fakeserver.striking import SECRET, Check, assert_whole, faults_of, struck

_KEY = SECRET[1]
_SEQUENCES = "".join(TERMINAL_SEQUENCES.values())


def _check_said(fault: Fault) -> None:
    assert_whole(fault, struck(fault).body)


def _check_split(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    assert len(objects(fault.dialect, body)) > len(_SEQUENCES)


def _check_hostile_error(fault: Fault) -> None:
    body = struck(fault).body

    (error,) = [
        one
        for one in objects(fault.dialect, body)
        if isinstance(one, dict) and "error" in one
    ]
    said = error["error"]
    assert (said if isinstance(said, str) else said["message"]) == _SEQUENCES


def _check_hostile_status(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.status == 500
    error = json.loads(reply.body)["error"]
    assert (error if isinstance(error, str) else error["message"]) == _SEQUENCES


def _check_hostile_page(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, reply.body) == (502, _SEQUENCES.encode())


def _check_hostile_reason(fault: Fault) -> None:
    assert struck(fault).data.startswith(b"HTTP/1.1 500 \x1b[2J\x1b[H\r\n")


def _check_hostile_model(fault: Fault) -> None:
    body = struck(fault).body

    assert_whole(fault, body)
    first = objects(fault.dialect, body)[0]
    assert isinstance(first, dict)
    assert first["model"] == _SEQUENCES


def _check_listing(fault: Fault) -> None:
    listed = json.loads(struck(fault).body)

    key, name = ("models", "name") if fault.dialect == "ollama" else ("data", "id")
    assert tuple(one[name] for one in listed[key]) == HOSTILE_NAMES


def _check_secret(status: int, is_in_body: bool = True) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert reply.status == status
        assert _KEY.encode() in (reply.body if is_in_body else reply.head)
        assert (b"the prompt" in reply.body) == is_in_body

    return check


TEXT_CHECKS: Mapping[str, Check] = {
    **{f"separator_{name}": _check_said for name in SEPARATORS},
    "terminal_sequences_whole": _check_said,
    "terminal_sequences_split": _check_split,
    "terminal_sequences_in_error": _check_hostile_error,
    "terminal_sequences_in_status": _check_hostile_status,
    "terminal_sequences_in_page": _check_hostile_page,
    "terminal_sequences_in_reason": _check_hostile_reason,
    "terminal_sequences_in_model": _check_hostile_model,
    "hostile_model_names": _check_listing,
    "secrets_in_text": _check_secret(200),
    "secrets_in_error": _check_secret(200),
    "secrets_in_status": _check_secret(401),
    "secrets_in_headers": _check_secret(401, is_in_body=False),
}


@pytest.mark.parametrize("fault", faults_of(TEXT_KINDS), ids=str)
def test_a_fault_of_texts_does_what_its_name_says(fault: Fault) -> None:
    TEXT_CHECKS[fault.kind.name](fault)


@pytest.mark.parametrize("name", ["u2028", "u2029", "u0085"])
def test_a_separator_stands_raw_on_the_wire(name: str) -> None:
    """Escaped it would be harmless; llama.cpp writes it as it is."""
    reply = struck(FAULTS[f"ollama-separator_{name}"])

    assert f"a{SEPARATORS[name]}b".encode() in reply.body
