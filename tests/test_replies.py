"""What real servers and proxies send, through the whole program.

The replies and what a user must see of them stand in tests/replies/.
"""

from __future__ import annotations

import re

import pytest

from .asking import DIALECTS, chats
from .fakeserver import Body, FakeServer, Head, Raw, Reply, Silence
from .replies import CASES, Case
from .runner import Result, Runner

_PATHS = {dialect.name: dialect for dialect in DIALECTS}
_PATIENCE = ("--retries", "0", "--timeout", "30", "-n", "--no-history")
_DATA = re.compile(r"""[{}]|\[\{|\\n|b'|['"]:\s*['"\d]""")
"""What JSON and Python's own notation have, and words do not."""


def _reply(case: Case) -> Reply:
    headers = [*case.headers]
    default = (
        "text/event-stream" if case.dialect == "openai" else "application/x-ndjson"
    )
    if case.media_type or case.http == 200:
        headers.append(("Content-Type", case.media_type or default))
    steps = [Raw(case.before)] if case.before else []
    if case.http in (204, 304):
        return (*steps, Head(case.http, tuple(headers), "close"))
    if case.is_left_open:
        return (*steps, Head(200, tuple(headers), "close"), Body(case.body), Silence())
    length = len(case.body)
    head = Head(case.http, tuple(headers), "length", length)
    return (*steps, head, *([Body(case.body)] if length else []))


def _asked(cli: Runner, server: FakeServer, case: Case, *more: str) -> Result:
    address = server.url + _PATHS[case.dialect].suffix
    argv = ("--base-url", address, "-m", "m", *_PATIENCE, *case.argv, *more, "hi")
    return cli.run(*argv)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_reply_is_read_rightly(cli: Runner, server: FakeServer, case: Case) -> None:
    server.script(_PATHS[case.dialect].path, _reply(case))

    result = _asked(cli, server, case)
    again = _asked(cli, server, case, "--cache-only")

    assert (result.status, result.text) == (case.status, case.out), result.stderr
    for words in case.told:
        assert words in result.stderr
    errors = [x for x in result.stderr.splitlines() if x.startswith("llmwrap: error: ")]
    assert len(errors) == (case.status != 0)
    assert not _DATA.search(result.stderr)
    if case.status == 0 and case.is_kept:
        assert "warning" not in result.stderr
    assert again.status == (0 if case.is_kept else 11), again.stderr
    assert len(chats(server)) == 1


def test_there_are_replies_of_every_kind() -> None:
    assert len(CASES) == len({str(case) for case in CASES}) > 200


BROKEN = [c for c in CASES if c.status == 8 and not c.name.startswith("cut")]


@pytest.mark.parametrize("case", BROKEN[:3], ids=str)
def test_nothing_of_a_broken_answer_is_printed_without_streaming(
    cli: Runner, server: FakeServer, case: Case
) -> None:
    server.script(_PATHS[case.dialect].path, _reply(case))

    result = _asked(cli, server, case, "--no-stream")

    assert (result.status, result.text) == (8, "")


def test_an_empty_answer_makes_an_empty_file(cli: Runner, server: FakeServer) -> None:
    case = next(case for case in CASES if case.name == "nothing_at_all")
    server.script(_PATHS[case.dialect].path, _reply(case))
    file = cli.home.path / "answer"

    result = _asked(cli, server, case, "-O", str(file))

    assert result.status == 0
    assert file.read_bytes() == b""
