"""A question is resolved once, and its answer belongs to whoever may have it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest

from llmwrap import files
from llmwrap.backends import BUILT_IN_KINDS, create_backend
from llmwrap.backends.base import OWN, Backend, BackendSettings
from llmwrap.cache import fingerprint, owner
from llmwrap.cache.response_cache import ResponseCache
from llmwrap.cli.direct_records import SETTINGS
from llmwrap.config import BackendConfig, Config
from llmwrap.direct import Invocation
from llmwrap.engine.access import Access
from llmwrap.engine.choice import Choice
from llmwrap.engine.engine import Engine
from llmwrap.engine.question import Addressee, Questions
from llmwrap.engine.selection import Selector
from llmwrap.messages import Message, Request

from .asking import ask, chats, wrapped
from .direct import answered, left_records
from .fakeserver import FakeServer
from .runner import Home, Runner

ANSWER = "Hello from the fake server."
_COUNTED: dict[CodeType, str] = {
    fingerprint.asked.__code__: "requests written",
    fingerprint.key_of.__code__: "keys",
    Selector.selection.__code__: "selections",
    files.read.__code__: "files read",
}
TABLES = """
[backends.mine]
backend_type = "OpenAI"
base_url = "{url}/v1"
api_key_env = "MINE"
[backends.yours]
backend_type = "OpenAI"
base_url = "{url}/v1"
api_key_env = "YOURS"
[backends.free]
backend_type = "OpenAI"
base_url = "{url}/v1"
"""


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count what is done to a question in this thread; Python itself tells."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in _COUNTED:
            what = _COUNTED[frame.f_code]
            is_generation = "/models/" in str(frame.f_locals.get("path", ""))
            if what != "files read" or is_generation:
                found[what] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)


# Once


def test_a_first_miss_resolves_it_once(home: Home, server: FakeServer) -> None:
    """It learns the digest of the weights, which makes another key."""
    with wrapped(home, server) as wrapper, counting() as found:
        assert str(wrapper.chat("Why?")) == ANSWER

    assert found == {"selections": 1, "requests written": 1, "keys": 2}


def test_a_miss_of_known_weights_resolves_it_once(
    home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as wrapper:
        wrapper.chat("Why?")
    with wrapped(home, server) as wrapper, counting() as found:
        wrapper.chat("How?")

    assert found == {
        "selections": 1,
        "requests written": 1,
        "keys": 2,
        "files read": 1,
    }


def test_a_hit_resolves_it_once(home: Home, server: FakeServer) -> None:
    with wrapped(home, server) as wrapper:
        wrapper.chat("Why?")
    with wrapped(home, server) as wrapper, counting() as found:
        assert wrapper.chat("Why?").is_cached

    assert found == {
        "selections": 1,
        "requests written": 1,
        "keys": 1,
        "files read": 1,
    }


def test_without_the_cache_nothing_is_written_for_it(
    home: Home, server: FakeServer
) -> None:
    more = "[cache]\nenabled = false\n"
    with wrapped(home, server, more=more) as wrapper, counting() as found:
        wrapper.chat("Why?")

    assert found == {"selections": 1}


def unasked(config: BackendConfig) -> Backend:
    raise AssertionError("a built-in backend is known without being made")


def test_weights_that_somebody_learned_meanwhile_count(
    home: Home, server: FakeServer
) -> None:
    """Else of two processes that ask a model for the first time both would."""
    home.environ["OLLAMA_HOST"] = server.url
    questions, cache = _questions(home)
    request = Request("ollama/alpha", (Message("user", "Why?"),))
    question = questions.resolved(request, "use", unasked)
    with wrapped(home, server) as wrapper:
        wrapper.chat("Something else?", "alpha")

    known = question.with_generation(cache.renewed(question.generation))

    assert known.key != question.key
    assert known.flight_key == question.flight_key


def test_more_candidates_are_more_of_the_same(home: Home, server: FakeServer) -> None:
    questions, _ = _questions(home)
    question = questions.resolved(Request("ollama/alpha", ()), "off", unasked)
    [first] = question.candidates

    both = question._replace(candidates=(first, Addressee(first.backend, "beta")))

    assert questions.completed(question, first) is question
    assert questions.filed(both, unasked).request.model == "alpha"


# Whose it is


def _questions(home: Home) -> tuple[Questions, ResponseCache]:
    config = Config.load(os.devnull, home.environ)
    access = Access(config, Choice(), home.environ, is_reused=False)
    engine = Engine(config, environ=home.environ)
    return Questions(access, engine.cache), engine.cache


def test_each_setting_of_a_backend_is_the_users_own_or_is_not() -> None:
    """A new one that is sent, and is not in OWN, would let others have the answer."""
    others = {
        "name",
        "kind",
        "base_url",
        "environ",
        "connect_timeout_s",
        "silence_s",
        "proxy",
        "ca_bundle",
        "ca_directory",
        "secrets",
        "line_limit_bytes",
        "body_limit_bytes",
        "pool_size",
        "is_reused",
    }

    assert {*BackendSettings._fields} == others | {*OWN}


def test_where_nothing_of_the_users_own_goes_the_place_is_as_it_was(
    home: Home,
) -> None:
    config = Config.load(os.devnull, home.environ)
    access = Access(config, Choice(), home.environ, is_reused=False)
    for kind in BUILT_IN_KINDS[:2]:
        backend = access.selector().backend(kind)
        place = access.place(backend, "m", unasked)
        settings = BackendSettings(kind, kind, backend.base_url or "", home.environ)

        assert place == (kind, create_backend(settings).place, b"")
    assert not (home.path / "state").exists()


def test_two_keys_do_not_share(cli: Runner, server: FakeServer, home: Home) -> None:
    home.configure(TABLES.format(url=server.url))
    keys = {"MINE": "k1", "YOURS": "k2"}
    asked = [
        ("mine", keys),
        ("yours", keys),
        ("mine", {"MINE": "k3"}),
        ("mine", {}),
    ]

    for name, environ in asked:
        server.answer = [f"for {name} {environ.get('MINE')}"]
        argv = ("-q", "-b", name, "-m", "alpha", "Why?")
        first = cli.run(*argv, environ=environ)
        assert cli.run(*argv, environ=environ) == first
        assert first.text == f"for {name} {environ.get('MINE')}\n"

    assert len(chats(server)) == 4


def test_one_key_shares_however_many_tables_there_are(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure(TABLES.format(url=server.url))
    keys = {"MINE": "k1", "YOURS": "k1"}

    for name in ("mine", "yours"):
        cli.run("-b", name, "-m", "alpha", "Why?", environ=keys)
    for name in ("free", "free"):
        cli.run("-b", name, "-m", "alpha", "Why?")

    assert len(chats(server)) == 2


def test_the_key_of_first_choice_counts_too(cli: Runner, server: FakeServer) -> None:
    for key in ("k1", "k2", "k1"):
        ask(cli, server, "Why?", environ={"LLMWRAP_API_KEY": key})

    assert len(chats(server)) == 2


def test_no_key_can_be_tried_against_what_is_kept(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    """The digest is one under random bytes that each user has for himself."""
    salt = home.path / "state" / "llmwrap" / "answers.salt"
    environ = {"LLMWRAP_API_KEY": "k1"}
    ask(cli, server, "Why?", environ=environ)
    assert (len(salt.read_bytes()), salt.stat().st_mode & 0o777) == (32, 0o600)

    salt.unlink()
    ask(cli, server, "Why?", environ=environ)

    assert len(chats(server)) == 2
    kept = [path for path in home.path.rglob("*") if path.is_file()]
    assert not any(b"k1" in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"short"),
        lambda path: path.write_bytes(bytes(99)),
        lambda path: path.symlink_to("/dev/zero"),
    ],
    ids=["short", "long", "link"],
)
def test_random_bytes_that_are_none_are_made_anew(
    home: Home, spoil: Callable[[Path], object]
) -> None:
    path = home.path / "state" / "llmwrap" / "answers.salt"
    path.parent.mkdir(parents=True)
    spoil(path)

    made = owner.salt(home.environ)

    assert len(made) == 32
    assert owner.salt(home.environ) == made


def test_where_it_cannot_be_told_whose_it_is_nothing_is_kept(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "state").touch()
    environ = {"LLMWRAP_API_KEY": "k1"}

    results = [ask(cli, server, "Why?", environ=environ) for _ in range(2)]

    assert [result.text for result in results] == [f"{ANSWER}\n"] * 2
    assert [result.stderr.count("warning") for result in results] == [1, 1]
    assert len(chats(server)) == 2
    only = ask(cli, server, "--cache-only", "Why?", environ=environ)
    assert only.status == 11


def test_where_it_can_be_told_again_answers_are_kept_again(
    home: Home, server: FakeServer
) -> None:
    (home.path / "state").touch()
    home.environ["LLMWRAP_API_KEY"] = "k1"
    with wrapped(home, server) as wrapper:
        wrapper.chat("Why?")
        (home.path / "state").unlink()

        assert [wrapper.chat("Why?").is_cached for _ in range(2)] == [False, True]


def test_a_key_that_comes_through_a_pipe_is_read_once(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb") as file:
        file.write(b"k1")
        file.flush()
        file.close()
        home.configure(
            f'[backends.lab]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
            f'api_key_file = "/dev/fd/{reader}"\n'
        )
        assert cli.run("-q", "-b", "lab", "-m", "alpha", "Why?").status == 0

    [chat] = chats(server)
    assert chat.headers["authorization"] == "Bearer k1"


# In memory only


def test_a_wrapper_in_memory_leaves_the_disk_alone_and_counts_itself(
    home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as shared:
        shared.chat("Why?")
        before = shared.get_cache_stats()
        more = "[cache]\nenable_persistence = false\n"
        with wrapped(home, server, more=more) as own:
            for question in ("How?", "How?", "When?"):
                own.chat(question)
            counted = own.get_cache_stats()
            invalidated = own.invalidate_cache_for_model("alpha")
            cleared = own.clear_cache()

        assert (counted.entries, counted.hits, counted.misses) == (2, 1, 2)
        assert counted.size_bytes > 0
        assert (invalidated, cleared) == (2, 0)
        assert shared.get_cache_stats().entries == before.entries == 1
        assert shared.chat("Why?").is_cached


def test_what_another_process_refreshed_is_seen_by_a_running_wrapper(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as wrapper:
        for _ in range(2):
            assert str(wrapper.chat("Why?")) == ANSWER
        server.answer = ["Newer."]

        cli.spawn("--refresh", "Why?", environ={"LLMWRAP_DIRECT": "0"})

        assert str(wrapper.chat("Why?")) == "Newer."
        assert len(chats(server)) == 2


# Nothing that cannot change it


def test_the_same_model_by_two_names_is_asked_once(
    cli: Runner, server: FakeServer
) -> None:
    local = server.url.replace("127.0.0.1", "localhost")
    for argv in (
        ("-m", "alpha", "--base-url", server.url),
        ("-m", "alpha:latest", "--base-url", server.url),
        ("-m", "alpha", "--base-url", local),
        ("-m", "alpha", "--base-url", server.url, "-o", "keep_alive=1h"),
        ("-m", "alpha", "--base-url", server.url, "-o", "num_thread=2"),
    ):
        assert cli.run(*argv, "Why?").text == f"{ANSWER}\n"

    assert len(chats(server)) == 1


# Direct mode


def test_two_keys_of_the_environment_never_share_directly(
    cli: Runner, server: FakeServer
) -> None:
    address: dict[str, str | None] = {"OPENAI_BASE_URL": f"{server.url}/v1"}
    argv = ("-b", "openai", "-m", "alpha", "Why?")
    one = {**address, "OPENAI_API_KEY": "k1"}
    answered(cli, *argv, environ=one)
    assert answered(cli, *argv, environ=one).is_direct

    server.answer = ["another"]
    other = answered(cli, *argv, environ={**address, "OPENAI_API_KEY": "k2"})
    none = answered(cli, *argv, environ=address)

    assert (other.is_direct, other.stdout) == (False, b"another\n")
    assert (none.is_direct, none.stdout) == (False, b"another\n")
    assert answered(cli, *argv, environ=one).stdout == f"{ANSWER}\n".encode()


@pytest.mark.parametrize(
    ("setting", "environ", "is_left"),
    [
        ({}, {}, True),
        ({"API_KEY_ENV": "LAB_KEY"}, {"LAB_KEY": "k"}, False),
        ({"API_KEY_ENV": "OPENAI_API_KEY"}, {"OPENAI_API_KEY": "k"}, True),
        ({"API_KEY_FILE": "/dev/null"}, {}, False),
    ],
    ids=str,
)
def test_a_place_that_hangs_on_something_else_leaves_no_record(
    cli: Runner,
    server: FakeServer,
    setting: dict[str, str],
    environ: dict[str, str],
    is_left: bool,
) -> None:
    if "API_KEY_FILE" in setting:
        key = cli.home.path / "key"
        key.write_text("k")
        key.chmod(0o600)
        setting = {"API_KEY_FILE": str(key)}
    named = {f"LLMWRAP_BACKENDS_OLLAMA_{n}": value for n, value in setting.items()}
    world = {"OLLAMA_HOST": server.url, **named, **environ}

    answered(cli, "-b", "ollama", "-m", "alpha", "Why?", environ=world)

    assert (left_records(cli.home) > 0) is is_left


def test_each_setting_of_a_backend_is_told_or_leaves_no_record() -> None:
    """Who adds one decides, and until then it is on the safe side."""
    others = {
        "api_key_file",
        "password_env",
        "password_file",
        "headers",
        "query",
        "client_certificate",
        "client_key",
    }

    assert {*BackendConfig._fields} == SETTINGS | others


def test_a_secret_of_the_environment_is_in_no_digest_as_it_is(home: Home) -> None:
    """Where nobody has random bytes yet there is none at all."""
    environ = {**home.environ, "OPENAI_API_KEY": "k1"}
    before = Invocation(["Why?"], environ)
    owner.salt(environ)
    after = Invocation(["Why?"], environ)

    assert (before.is_told, after.is_told) == (False, True)
    assert Invocation(["Why?"], {**environ, "OPENAI_API_KEY": "k2"}).key != after.key
    before.tell()
    assert before.key == after.key


@pytest.mark.parametrize("name", ["OLLAMA_API_KEY", "LLMWRAP_API_KEY"])
def test_each_key_is_in_the_digest(home: Home, name: str) -> None:
    owner.salt(home.environ)
    keys = {
        Invocation(["Why?"], {**home.environ, name: value}).key
        for value in ("", "k1", "k2")
    }

    assert len(keys) == 3
