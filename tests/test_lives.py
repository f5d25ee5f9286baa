"""At home in anybody's process: forked, dropped, ended, interrupted at any moment."""

from __future__ import annotations

import ast
import gc
import threading
from itertools import zip_longest
from pathlib import Path

import pytest

from llmwrap import lives

from .asking import OLLAMA, chats
from .cachemade import is_anything_in_flight
from .fakeserver import FakeServer, Silence, WaitFor, ollama_reply
from .programs import run_program
from .runner import ROOT, Home

ENDS = {
    "exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "exec": "os.execv('/bin/true', ['true'])",
    "an exception": "sys.stderr = open(os.devnull, 'w'); raise ValueError",
    "its garbage": "del answer, wrapper; gc.collect(); os._exit(0)",
    "close": "answer.close(); wrapper.close(); sys.exit(0)",
    "cancel": "answer.cancel(); sys.exit(0)",
    "the end of the program": "answer = None",
}
_LONG_S = 20.0
_FRONTS = ("batch", "repl", "loadtest", "testing.py", "cli")


class Thing:
    """What lives."""

    def __init__(self) -> None:
        self.is_anew = False
        lives.enter(self)

    def start_anew(self) -> None:
        """Note it."""
        self.is_anew = True


# The registry


def test_what_lives_is_known_as_long_as_it_lives() -> None:
    thing = Thing()

    assert lives.living(Thing) == [thing]
    del thing
    assert lives.living(Thing) == []


def test_a_death_is_noticed_in_a_circle_too() -> None:
    died: list[int] = []
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]  # the circle
    lives.on_death(thing, lambda: died.append(1))

    del thing
    gc.collect()

    assert died == [1]


def test_whoever_makes_a_lock_makes_it_anew_in_a_forked_child() -> None:
    """Every class below the fronts: a lock that somebody held stays locked there."""
    wrong = []
    for file in sorted((ROOT / "llmwrap").rglob("*.py")):
        if file.relative_to(ROOT / "llmwrap").parts[0] in _FRONTS:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            source = ast.unparse(node)
            names = ("Lock", "RLock", "Condition", "Semaphore", "Event")
            has_lock = any(f"threading.{name}()" in source for name in names)
            has_thread = "start_together(" in source
            if (has_lock or has_thread) and "def start_anew(self)" not in source:
                wrong.append(f"{file.name}: {node.name}")

    # A token is of one request, and does nothing at all in another process; what is to
    # come of a thread is let go by whoever keeps it. A client whose question goes ahead
    # is of a process that ends with the answer.
    known = ["threads.py: Future", "cancel.py: CancelToken", "early.py: EarlyClient"]
    assert wrong == known


# fork


@pytest.mark.parametrize("pieces", [0, 1], ids=["unread", "half read"])
def test_the_end_of_a_child_never_ends_the_answer_of_its_parent(
    home: Home, server: FakeServer, subtests: pytest.Subtests, pieces: int
) -> None:
    first, *rest = ollama_reply(["one", " two"])
    gates = [threading.Event() for _ in ENDS]
    for gate in gates:
        server.script(OLLAMA.path, first, WaitFor(gate), rest)

    def open_one_after_the_other() -> None:
        for number, gate in enumerate(gates):
            _open_when(gate, home.path / f"flag{number}")

    threading.Thread(target=open_one_after_the_other, daemon=True).start()

    done = run_program(
        home,
        server,
        f"""
import pathlib
from tests.cachemade import is_anything_in_flight
in_flight = pathlib.Path(os.environ["XDG_CACHE_HOME"], "llmwrap", "in-flight")
def is_in_flight():
    return in_flight.exists() and is_anything_in_flight(in_flight)
for number, end in enumerate({[*ENDS.values()]}):
    wrapper = made()
    answer = wrapper.chat_stream(f"Hello {{number}}!")
    for _ in range({pieces}):
        next(answer)
    wait_until(is_in_flight)
    child = os.fork()
    if child == 0:
        exec(end)
        break
    ended(child)
    assert is_in_flight(), "the flight has gone"
    open({str(home.path / "flag")!r} + str(number), "w").close()
    print(str(answer), is_in_flight(), end=" ")
    wrapper.close()
    print(made().chat(f"Hello {{number}}!").is_cached)
""",
    )

    for end, line in zip_longest(ENDS, done.stdout.splitlines()):
        with subtests.test(end):
            assert (line, done.stderr) == ("one two False True", "")
    assert done.status == 0
    assert len(chats(server)) == len(ENDS)


def _open_when(gate: threading.Event, file: Path) -> None:
    for _ in range(4000):
        if file.exists():
            gate.set()
            return
        threading.Event().wait(0.005)


def test_a_wrapper_that_was_used_before_answers_in_a_child(
    home: Home, server: FakeServer
) -> None:
    done = run_program(
        home,
        server,
        """
wrapper = made()
print(wrapper.chat("one"))
child = os.fork()
if child == 0:
    print(wrapper.chat("two"), wrapper.chat("one").is_cached, flush=True)
    sys.exit(0)
assert ended(child) == 0
print(wrapper.chat("three"))
""",
    )

    text = "Hello from the fake server."
    assert (done.stdout, done.stderr) == (f"{text}\n{text} True\n{text}\n", "")
    first, second, third = chats(server)
    assert first.connection == third.connection != second.connection


def test_locks_that_others_held_at_the_fork_are_free_in_the_child(
    home: Home, server: FakeServer
) -> None:
    """Threads ask all the time, and every child answers and ends.

    Not so at the very first question: a module that another thread is importing stays
    half imported in the child, whoever wrote it.
    """
    done = run_program(
        home,
        server,
        """
wrapper = made()
wrapper.chat("first")
stop = threading.Event()
def ask(name):
    number = 0
    while not stop.is_set():
        wrapper.chat(f"{name} {number}")
        number += 1
threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for number in range(20):
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if str(wrapper.chat(f"child {number}")) else 3)
        except BaseException as error:
            print(error, flush=True)
            os._exit(4)
    until = time.monotonic() + 30
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, 6)
            os._exit(5)
        time.sleep(0.005)
    assert found[1] == 0, found
stop.set()
for thread in threads:
    thread.join()
print("fine")
""",
    )

    assert (done.stdout, done.stderr, done.status) == ("fine\n", "", 0)


def test_what_a_thread_of_the_parent_was_reading_is_read_again_in_the_child(
    home: Home, server: FakeServer
) -> None:
    """Its digest of the model never comes in the child, where that thread is not."""
    gate = threading.Event()
    server.script("/api/ps", WaitFor(gate))
    asked, over = home.path / "asked", home.path / "over"
    threading.Thread(target=_open_when, args=(gate, over), daemon=True).start()
    threading.Thread(target=_touch_when, args=(server, asked), daemon=True).start()

    done = run_program(
        home,
        server,
        f"""
wrapper = made()
parent = threading.Thread(target=wrapper.chat, args=("one",))
parent.start()
wait_until(lambda: os.path.exists({str(asked)!r}))
child = os.fork()
if child == 0:
    wrapper.chat("two")
    os._exit(0)
ended(child)
open({str(over)!r}, "w").close()
parent.join()
""",
    )

    assert (done.stderr, done.status) == ("", 0)
    assert [each.path for each in server.requests].count("/api/ps") == 2


def _touch_when(server: FakeServer, file: Path) -> None:
    for _ in range(4000):
        if any(each.path == "/api/ps" for each in server.requests):
            file.touch()
            return
        threading.Event().wait(0.005)


def test_the_answer_of_a_parent_cannot_be_read_in_a_child(
    home: Home, server: FakeServer
) -> None:
    gate = threading.Event()
    first, *rest = ollama_reply(["one", " two"])
    server.script(OLLAMA.path, first, WaitFor(gate), rest)

    done = run_program(
        home,
        server,
        """
wrapper = made()
answer = wrapper.chat_stream("Hello!")
next(answer)
child = os.fork()
if child == 0:
    try:
        next(answer)
    except ClosedError as error:
        print(error, flush=True)
    os._exit(0)
ended(child)
answer.cancel()
""",
    )

    assert "another process's" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_start_method_of_multiprocessing_works(
    home: Home, server: FakeServer, method: str
) -> None:
    done = run_program(
        home,
        server,
        f"""
import multiprocessing
wrapper = made()
def ask(prompt):
    return str(wrapper.chat(prompt))
if __name__ == "__main__":
    wrapper.chat("before")
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(*pool.map(ask, ["one", "two"]))
    print(wrapper.chat("after"))
""",
    )

    text = "Hello from the fake server."
    assert (done.stdout, done.stderr) == (f"{text} {text}\n{text}\n", "")


# Nothing needs closing


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "left early"])
def test_fifty_wrappers_that_are_dropped_leave_nothing(
    home: Home, server: FakeServer, is_read: bool
) -> None:
    """Without the garbage collector: there is no circle that keeps a worker busy."""
    if not is_read:
        server.script(
            OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence(), times=51
        )
    done = run_program(
        home,
        server,
        f"""
def use(number):
    answer = made().chat_stream(f"Hello {{number}}!")
    if {is_read}:
        answer.read()
    else:
        next(answer)
def descriptors():
    return len(os.listdir("/proc/self/fd"))
use(0)
wait_until(lambda: threading.active_count() == 1)
before = descriptors()
gc.collect()
gc.disable()
for number in range(1, 51):
    use(number)
wait_until(lambda: threading.active_count() == 1)
wait_until(lambda: descriptors() <= before)
print("nothing")
""",
    )

    assert (done.stdout, done.stderr) == ("nothing\n", "")


@pytest.mark.parametrize("collector", ["", "gc.disable()"])
@pytest.mark.parametrize("pieces", [0, 1], ids=["unread", "half read"])
def test_an_answer_left_early_is_silent_at_the_end_of_the_program(
    home: Home, server: FakeServer, pieces: int, collector: str
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence())

    done = run_program(
        home,
        server,
        f"""
{collector}
wrapper = made()
answer = wrapper.chat_stream("Hello!")
for _ in range({pieces}):
    next(answer)
""",
    )

    assert done == (0, "", "")
    assert not is_anything_in_flight(home.path / "cache" / "llmwrap" / "in-flight")


def test_an_answer_that_was_dropped_ends_without_the_garbage_collector(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence())

    done = run_program(
        home,
        server,
        """
gc.disable()
wrapper = made()
answer = wrapper.chat_stream("Hello!")
next(answer)
del answer
wait_until(lambda: threading.active_count() == 1)
print("gone")
""",
    )

    assert (done.stdout, done.stderr) == ("gone\n", "")
    assert chats(server)[0].disconnected.is_set()


def test_closing_closes_the_kept_connections(home: Home, server: FakeServer) -> None:
    done = run_program(
        home,
        server,
        """
def sockets():
    files = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(f) and "socket:" in os.readlink(f) for f in files)
wrapper = made()
wrapper.chat("Hello!")
wait_until(lambda: threading.active_count() == 1)
kept = sockets()
wrapper.close()
print(kept, sockets())
""",
    )

    assert (done.stdout, done.stderr) == ("1 0\n", "")


def test_a_loop_over_an_answer_keeps_it(home: Home, server: FakeServer) -> None:
    server.answer = ["one", " two"]

    done = run_program(
        home,
        server,
        'print("".join(chunk.text for chunk in made().chat_stream("Hello!")))',
    )

    assert (done.stdout, done.stderr) == ("one two\n", "")
