"""Keys of one's own: `[ui] keys`."""

from __future__ import annotations

import pytest

from llmwrap import Config
from llmwrap.errors import ConfigError
from llmwrap.repl.keys import ACTIONS, configured_keys, key_help, shown
from llmwrap.repl.screen_front import ScreenFront
from llmwrap.terminal.themes import chosen_theme

from .drawing import play, seen, stage
from .fakeserver import FakeServer
from .runner import Home


def config(home: Home, toml: str) -> Config:
    return Config.load(home.configure(toml), home.environ)


def test_the_keys_are_those_of_the_specification(home: Home) -> None:
    keys = configured_keys(config(home, ""))

    assert keys["quit"] == ("c-q",)
    assert keys["stop"] == ("c-c",)
    assert keys["clear"] == ("c-l",)
    assert [keys[f"model_{n}"] for n in range(1, 5)] == [
        (f"f{n}",) for n in range(1, 5)
    ]
    assert (keys["auto_scroll"], keys["high_contrast"]) == (("f5",), ("f6",))


def test_alternatives_are_parted_by_commas(home: Home) -> None:
    keys = configured_keys(config(home, '[ui]\nkeys = { help = "f9, c-g" }\n'))

    assert keys["help"] == ("f9", "c-g")


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ('{ qiut = "c-q" }', "did you mean 'quit'"),
        ('{ quit = "control-q" }', "bad value 'control-q' for 'ui.keys'"),
        ('{ quit = "c-l" }', "c-l: both quit and clear"),
    ],
)
def test_a_key_that_cannot_be_is_an_error(
    home: Home, keys: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=r"ui\.keys") as caught:
        configured_keys(config(home, f"[ui]\nkeys = {keys}\n"))

    assert complaint in str(caught.value)


def test_an_unknown_theme_is_an_error(home: Home, server: FakeServer) -> None:
    with (
        stage(home, server, toml='[ui]\ntheme = "drak"\n') as on,
        pytest.raises(ConfigError, match="did you mean 'dark'"),
    ):
        chosen_theme(on.room.config)


def test_a_key_of_ones_own_does_what_it_should(home: Home, server: FakeServer) -> None:
    with stage(home, server, toml='[ui]\nkeys = { help = "c-g" }\n') as on:
        play(ScreenFront, on, "\x07", seen("Ctrl-Q"))


def test_the_help_names_every_action() -> None:
    keys = {action.name: action.keys for action in ACTIONS}

    assert len(key_help(keys, is_line=False)) == len(ACTIONS)


@pytest.mark.parametrize(
    ("key", "name"),
    [("c-q", "Ctrl-Q"), ("f1", "F1"), ("escape enter", "Alt-Enter"), ("?", "?")],
)
def test_keys_are_written_as_people_do(key: str, name: str) -> None:
    assert shown(key) == name
