"""Let a fault strike a raw client and bring back what was on the wire.

For the tests of the catalogue.
"""

from collections.abc import Callable, Iterable

from .decoding import has_end_marker, text_of
from .faults import FAULTS, Fault
from .faults.kinds import Kind
from .rawclient import RawClient, RawReply, exchange
from .received import WAIT_S
from .server import FakeServer
from .wire import Header

SECRET: Header = ("Authorization", "Bearer sk-very-secret")

Check = Callable[[Fault], None]


def request_for(fault: Fault) -> tuple[str, object]:
    """Return method and body of a request that `fault` is about."""
    if fault.kind.is_listing:
        return "GET", None
    messages = [{"role": "user", "content": "the prompt"}]
    return "POST", {"model": "alpha", "messages": messages, "stream": True}


def struck(fault: Fault) -> RawReply:
    """Let a fault strike once and return everything up to the end of the connection."""
    with FakeServer() as server:
        fault.arm(server)
        method, body = request_for(fault)
        return exchange(server.port, method, fault.path, body, SECRET)


def struck_until(fault: Fault, is_enough: Callable[[bytes], bool]) -> bytes:
    """Let a fault strike that does not end by itself; read enough and leave.

    Of a reply that falls silent, whatever came is returned and nothing may follow. The
    server must have noticed that the client left.
    """
    with FakeServer() as server:
        fault.arm(server)
        with RawClient(server.port) as client:
            method, body = request_for(fault)
            client.request(method, fault.path, body, SECRET)
            data = b""
            while not is_enough(data):
                data += client.read_some()
            (request,) = server.wait_for_requests(1)
            if fault.outcome in ("silent", "whole"):
                assert request.silent.wait(WAIT_S)
                assert client.read_waiting() == b""
        assert request.disconnected.wait(WAIT_S)
        return data


def after_strikes(fault: Fault) -> tuple[list[RawReply], RawReply]:
    """Let a fault strike as often as its kind says; return its replies and the next."""
    with FakeServer() as server:
        fault.arm(server)
        method, body = request_for(fault)
        replies = [
            exchange(server.port, method, fault.path, body)
            for _ in range((fault.kind.strikes or 0) + 1)
        ]
        return replies[:-1], replies[-1]


def assert_whole(fault: Fault, body: bytes) -> None:
    """Assert that a body says all it should and has its end marker."""
    assert text_of(fault.dialect, body) == fault.kept()
    assert has_end_marker(fault.dialect, body)


def assert_cut(fault: Fault, body: bytes) -> None:
    """Assert that a body says what is kept and has no end marker."""
    assert text_of(fault.dialect, body) == fault.kept()
    assert not has_end_marker(fault.dialect, body)


def faults_of(kinds: Iterable[Kind]) -> list[Fault]:
    """Return the faults of these kinds, for parametrizing."""
    names = {kind.name for kind in kinds}
    return [fault for fault in FAULTS.values() if fault.kind.name in names]
