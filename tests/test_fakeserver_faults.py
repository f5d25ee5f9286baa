"""Test the catalogue of faults itself: names, arming, tokens.

What each fault does on the wire is tested beside this, a file for a family of kinds.
"""

from tests.fakeserver import FAULTS, TOKENS, FakeServer
from tests.fakeserver.decoding import has_end_marker, text_of
from tests.fakeserver.faults import KINDS
from tests.fakeserver.rawclient import exchange
from tests.fakeserver.striking import request_for


def test_no_name_stands_twice_in_the_catalogue() -> None:
    names = [kind.name for kind in KINDS]

    assert len(names) == len(set(names))
    assert len(FAULTS) == sum(len(kind.dialects) for kind in KINDS)


def test_a_fault_stands_under_its_name() -> None:
    assert [str(fault) for fault in FAULTS.values()] == list(FAULTS)
    assert {fault.dialect for fault in FAULTS.values()} == {"ollama", "openai"}


def test_both_dialects_have_the_kinds_that_are_no_matter_of_dialect() -> None:
    shared = {kind.name for kind in KINDS if len(kind.dialects) == 2}

    for dialect in ("ollama", "openai"):
        assert {f"{dialect}-{name}" for name in shared} <= set(FAULTS)


def test_every_kind_says_what_it_is_about_and_what_is_right() -> None:
    for kind in KINDS:
        assert kind.about == kind.about.strip(". ")
        assert kind.also != kind.outcome


def test_what_is_kept_begins_with_the_tokens_or_is_nothing() -> None:
    text = "".join(TOKENS)
    for fault in FAULTS.values():
        assert fault.kept([]) == fault.kept().removeprefix(text)
        assert fault.kept().startswith(text) or not fault.kept()


def test_a_fault_strikes_every_request_unless_it_is_told() -> None:
    with FakeServer() as server:
        fault = FAULTS["ollama-status_500_json"]
        fault.arm(server)
        method, body = request_for(fault)

        statuses = [
            exchange(server.port, method, fault.path, body).status for _ in "123"
        ]

    assert statuses == [500, 500, 500]


def test_a_fault_strikes_as_often_as_it_is_told() -> None:
    with FakeServer() as server:
        fault = FAULTS["ollama-status_500_json"]
        fault.arm(server, times=2)
        method, body = request_for(fault)

        statuses = [
            exchange(server.port, method, fault.path, body).status for _ in "123"
        ]

    assert statuses == [500, 500, 200]


def test_a_fault_says_the_tokens_it_is_given() -> None:
    fault = FAULTS["openai-reset_between_chunks"]
    with FakeServer() as server:
        fault.arm(server, ["some", " other", " text"])
        method, body = request_for(fault)
        reply = exchange(server.port, method, fault.path, body)

    assert text_of("openai", reply.body) == "some other text"
    assert fault.kept(["some", " other", " text"]) == "some other text"


def test_every_fault_can_strike_before_the_first_token() -> None:
    """An error before the first piece is not the same as one after it."""
    for fault in FAULTS.values():
        fault([])
    with FakeServer() as server:
        for dialect in ("ollama", "openai"):
            fault = FAULTS[f"{dialect}-error_text"]
            fault.arm(server, [])
            method, body = request_for(fault)
            reply = exchange(server.port, method, fault.path, body)

            assert text_of(fault.dialect, reply.body) == ""
            assert b'{"error":' in reply.body
            assert not has_end_marker(fault.dialect, reply.body)
