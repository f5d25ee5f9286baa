"""The key of an answer: everything that can change it, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmwrap.cache.fingerprint import (
    GGUF,
    Place,
    asked,
    key_of,
    model_name,
    server_place,
)
from llmwrap.cache.generations import Generation, Generations
from llmwrap.messages import Image, Json, Message, Request, Sampling

from .runner import ROOT

KEY_OF_PLAIN = "463b9a11cca874b8"
KEY_OF_FULL = "7980b9ccee669b84"
HERE = Place("ollama", "http://127.0.0.1:11434")
SYSTEM = Message("system", "Be brief.")
USER = Message("user", "Hello")
PLAIN = Request("m", (USER,))
PNG, JPEG = Image(b"data", "image/png"), Image(b"data", "image/jpeg")


def key(request: Request, place: Place, generation: bytes) -> bytes:
    return key_of(asked(request, place), place, generation)


def request(*messages: Message, **sampling: object) -> Request:
    drawn = Sampling(**sampling)  # type: ignore[arg-type]  # each test gives what fits
    return Request("m", messages or (USER,), drawn)


DIFFERENT = {
    "model": PLAIN._replace(model="n"),
    "content": request(Message("user", "Hello.")),
    "system": request(SYSTEM, USER),
    "role": request(Message("assistant", "Hello")),
    "order": request(USER, SYSTEM),
    "one message more": request(USER, USER),
    "where a message ends": request(Message("user", "Hel"), Message("user", "lo")),
    "image": request(Message("user", "Hello", (PNG,))),
    "kind of image": request(Message("user", "Hello", (JPEG,))),
    "two images": request(Message("user", "Hello", (PNG, PNG))),
    "temperature": request(temperature=0.0),
    "temperature 1": request(temperature=1.0),
    "max_tokens": request(max_tokens=1),
    "seed": request(seed=1),
    "top_p": request(top_p=1.0),
    "stop": request(stop=("a",)),
    "stops": request(stop=("a", "b")),
    "one stop": request(stop=("ab",)),
    "option": request(options={"num_ctx": 1}),
    "option of another type": request(options={"num_ctx": 1.0}),
    "option as text": request(options={"num_ctx": "1"}),
    "option as truth": request(options={"num_ctx": True}),
    "option as nothing": request(options={"num_ctx": None}),
    "two options": request(options={"num_ctx": 1, "top_k": 1}),
    "option with a list": request(options={"stop": ["a", "b"]}),
    "option with a table": request(options={"format": {"type": "object", "n": [1]}}),
    "think": PLAIN._replace(think=True),
    "no think": PLAIN._replace(think=False),
    "think high": PLAIN._replace(think="high"),
}


def test_whatever_can_change_the_answer_changes_the_key() -> None:
    keys = {name: key(one, HERE, b"") for name, one in {"": PLAIN, **DIFFERENT}.items()}
    keys["kind of backend"] = key(PLAIN, HERE._replace(kind="openai"), b"")
    keys["address"] = key(PLAIN, HERE._replace(address="http://x"), b"")
    keys["generation"] = key(PLAIN, HERE, b"sha256:1")

    assert len(set(keys.values())) == len(keys)
    assert {len(key) for key in keys.values()} == {32}


@pytest.mark.parametrize(
    "same",
    [
        PLAIN._replace(is_streamed=False),
        request(),
        Request("m", (Message("user", "Hello", ()),)),
    ],
)
def test_what_cannot_change_it_does_not(same: Request) -> None:
    assert key(same, HERE, b"") == key(PLAIN, HERE, b"")


def test_the_order_of_options_does_not_matter() -> None:
    one = request(options={"a": {"x": 1, "y": 2}, "b": 2})
    other = request(options={"b": 2, "a": {"y": 2, "x": 1}})

    assert key(one, HERE, b"") == key(other, HERE, b"")


def test_a_model_file_is_what_it_holds() -> None:
    """Not its name, and not the port that its server has this time."""
    place = Place(GGUF, "ab" * 32)
    other = PLAIN._replace(model="/elsewhere/model.gguf")

    assert key(PLAIN, place, b"") == key(other, place, b"")


def test_the_key_is_the_same_in_every_process_and_version() -> None:
    """Whoever changes it changes the version in it, and loses all answers."""
    full = Request(
        "m",
        (SYSTEM, Message("user", "H\u2028\ud800", (PNG,))),
        Sampling(0.5, 9, 1, 0.9, ("x",), {"num_ctx": 4096, "a": [None, {"b": "c"}]}),
        think="high",
    )
    program = "from tests.test_cache_key import *\nprint(key(PLAIN, HERE, b'').hex())"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == key(PLAIN, HERE, b"").hex()
    assert key(PLAIN, HERE, b"").hex()[:16] == KEY_OF_PLAIN
    assert key(full, HERE, b"g").hex()[:16] == KEY_OF_FULL


@pytest.mark.parametrize(
    "options",
    [
        {"keep_alive": "5m"},
        {"num_thread": 4, "num_gpu": 0, "main_gpu": 1, "num_batch": 64},
        {"use_mmap": False, "use_mlock": True, "low_vram": True, "numa": True},
    ],
)
def test_how_fast_it_comes_is_not_in_it(options: dict[str, Json]) -> None:
    fast = request(options=options)

    assert key(fast, HERE, b"") == key(PLAIN, HERE, b"")


def test_a_model_without_a_tag_is_the_latest_at_ollama_only() -> None:
    latest = PLAIN._replace(model="m:latest")
    elsewhere = Place("openai", "http://x")

    assert key(latest, HERE, b"") == key(PLAIN, HERE, b"")
    assert key(latest, elsewhere, b"") != key(PLAIN, elsewhere, b"")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://localhost:11434", "http://127.0.0.1:11434"),
        ("http://localhost/v1", "http://127.0.0.1/v1"),
        ("http://localhost", "http://127.0.0.1"),
        ("http://localhost.example:1", "http://localhost.example:1"),
        ("http://[::1]:1/v1", "http://[::1]:1/v1"),
        ("alpha", "alpha"),
    ],
)
def test_this_machine_is_one_place_by_name_and_by_number(
    written: str, address: str
) -> None:
    assert server_place("ollama", written) == Place("ollama", address)


def test_whose_it_is_is_in_it() -> None:
    mine, yours = (HERE._replace(owner=owner) for owner in (b"1", b"2"))
    keys = {key(PLAIN, place, b"") for place in (HERE, mine, yours)}

    assert len(keys) == 3
    assert len({model_name(place, "m") for place in (HERE, mine, yours)}) == 3
    assert key(PLAIN, mine, b"") != key(PLAIN, HERE, b"1")


# What is known of the weights


def known(generations: Generations, place: Place = HERE, model: str = "m") -> bytes:
    return generations.read(generations.unread(place, model)).digest


def learn(generations: Generations, digest: str) -> Generation:
    """Learn the digest of a model, after a look at what is known."""
    return generations.learn(generations.read(generations.unread(HERE, "m")), digest)


def test_a_digest_that_is_learned_is_known_to_others(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert known(Generations(root)) == b""

    learn(Generations(root), "sha256:1")

    assert known(Generations(root)) == b"sha256:1"
    assert known(Generations(root), model="n") == b""
    assert known(Generations(root), HERE._replace(address="http://x")) == b""


def test_a_digest_that_is_known_is_not_written_again(tmp_path: Path) -> None:
    generations = Generations(str(tmp_path))
    path = learn(generations, "sha256:1").path
    before = os.stat(path)

    learn(generations, "sha256:1")

    assert os.stat(path) == before


def test_what_somebody_learned_meanwhile_is_read(tmp_path: Path) -> None:
    generations = Generations(str(tmp_path))
    seen = generations.read(generations.unread(HERE, "m"))
    assert generations.read(seen) is seen

    learn(Generations(str(tmp_path)), "sha256:1")

    assert generations.read(seen).digest == b"sha256:1"


def test_without_a_directory_it_is_known_to_the_process(tmp_path: Path) -> None:
    generations = Generations(None)

    assert learn(generations, "sha256:1").path == ""

    assert known(generations) == b"sha256:1"


def test_a_model_file_is_its_own_digest(tmp_path: Path) -> None:
    generations = Generations(str(tmp_path))
    file = generations.unread(Place(GGUF, "ab" * 32), "m")

    assert generations.learn(file, "sha256:1") == file
    assert [*tmp_path.iterdir()] == []


def test_the_name_of_a_model_is_no_path(tmp_path: Path) -> None:
    for model in ("../../etc/passwd", "a/b", "\0", "x" * 5000):
        name = model_name(HERE, model)
        assert len(name) == 16
