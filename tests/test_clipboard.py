"""What is copied, by whom, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmwrap.messages import Message
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.clipboard import copied
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront

from .drawing import play, seen, stage
from .fakeserver import FakeServer
from .runner import Home

TEXT = "grüße\n\tzweite 世界"
WAYLAND, X11 = {"WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": ":0"}
SSH, TMUX = {"SSH_CONNECTION": "a 1 b 22"}, {"TMUX": "/tmp/tmux,1,0"}
ALL = ("wl-copy", "xclip", "xsel", "pbcopy", "tmux")


class Programs:
    """A directory of programs that keep what they are given, or fail."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"PATH": f"{directory}:/usr/bin:/bin", "OUT": str(directory)}

    def make(self, name: str, *, fails: bool = False) -> None:
        program = self.directory / name
        program.write_text(
            f'#!/bin/sh\necho {name} "$@" >>"$OUT/asked"\ncat >"$OUT/{name}.text"\n'
            f"exit {int(fails)}\n"
        )
        program.chmod(0o700)

    def only(self, *names: str) -> Programs:
        """Have no other program found, whatever this machine has."""
        for name in set(ALL) - set(names):
            self.make(name, fails=True)
        for name in names:
            self.make(name)
        return self

    def text(self, name: str) -> str:
        """Return what a program was given."""
        return (self.directory / f"{name}.text").read_text()


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    directory = tmp_path / "programs"
    directory.mkdir()
    return Programs(directory)


@pytest.mark.parametrize(
    ("variables", "program"),
    [
        (WAYLAND, "wl-copy"),
        (WAYLAND | X11, "wl-copy"),
        (X11, "xclip"),
        (X11 | SSH, "xclip"),
        (WAYLAND | X11 | SSH, "xclip"),
        ({}, "pbcopy"),
        (TMUX | SSH, "tmux"),
    ],
)
def test_the_display_says_which_program_is_used(
    programs: Programs, variables: dict[str, str], program: str
) -> None:
    programs.only(*ALL)

    says = copied(TEXT, programs.environ | variables)

    assert says.startswith("copied")
    assert program in says
    assert programs.text(program) == TEXT
    assert (programs.directory / "asked").read_text().count("\n") == 1


def test_one_that_fails_leaves_it_to_the_next(programs: Programs) -> None:
    programs.only("xsel")

    says = copied(TEXT, programs.environ | WAYLAND | X11)

    assert says == "copied by xsel"
    assert programs.text("xsel") == TEXT


@pytest.mark.parametrize("variables", [SSH, SSH | WAYLAND, WAYLAND | X11 | TMUX])
def test_nothing_is_said_to_be_copied_that_nobody_took(
    programs: Programs, variables: dict[str, str]
) -> None:
    assert copied(TEXT, programs.only().environ | variables) == ""


def test_of_tmux_no_more_is_said_than_is_known(programs: Programs) -> None:
    says = copied(TEXT, programs.only("tmux").environ | TMUX)

    assert "tmux's buffer" in says
    assert "not known" in says


@pytest.mark.parametrize("front", [ScreenFront, ChatFront])
def test_a_front_says_what_is_true(
    home: Home, server: FakeServer, programs: Programs, front: type[Front]
) -> None:
    home.environ |= programs.only("xclip").environ | X11
    with stage(home, server, size=(100, 30)) as on:
        on.room.talk.conversation.add(Message("user", "hi"))
        on.room.talk.conversation.add(Message("assistant", TEXT))

        def fails(shown: str) -> bool:
            programs.make("xclip", fails=True)
            return True

        play(
            *(front, on, "/copy\r", seen("copied by xclip"), fails),
            *("/copy\r", seen("does not say")),
        )

        assert on.screen.raw.count("\x1b]52;") == 1
    assert programs.text("xclip") == TEXT
