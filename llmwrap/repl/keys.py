"""What keys do, and which ones: the actions of the fronts, configurable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from prompt_toolkit.filters import Condition, Filter
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import ALL_KEYS

from ..config import Config

SETTING = "ui.keys"


class Action(NamedTuple):
    """What a key can do; `keys` are alternatives, each a sequence parted by blanks.

    `is_line` tells whether the line front has it: the full screen has all.
    """

    name: str
    keys: tuple[str, ...]
    help: str
    is_line: bool = False


ACTIONS = (
    Action("send", ("enter",), "send what was typed", True),
    Action("newline", ("escape enter",), "begin another line", True),
    Action("stop", ("c-c",), "stop the answer; clear the input; leave", True),
    Action("suspend", ("c-z",), "back to the shell, until its fg", True),
    Action("quit", ("c-q",), "leave", True),
    Action("clear", ("c-l",), "begin a new conversation"),
    Action("model_1", ("f1",), "ask the first model", True),
    Action("model_2", ("f2",), "ask the second model", True),
    Action("model_3", ("f3",), "ask the third model", True),
    Action("model_4", ("f4",), "ask the fourth model", True),
    Action("auto_scroll", ("f5",), "follow the answer as it grows, or not"),
    Action("high_contrast", ("f6",), "high contrast, or not", True),
    Action("copy", ("f7",), "copy the last answer", True),
    Action("copy_code", ("f8",), "copy its last block of code", True),
    Action("search", ("c-f",), "search in the messages"),
    Action("help", ("f10", "?"), "show this help", True),
    Action("line_up", ("up",), "scroll up"),
    Action("line_down", ("down",), "scroll down"),
    Action("page_up", ("pageup",), "scroll up by a page"),
    Action("page_down", ("pagedown",), "scroll down by a page"),
    Action("question_up", ("c-up",), "go to the question before"),
    Action("question_down", ("c-down",), "go to the next question"),
    Action("top", ("home",), "go to the beginning"),
    Action("bottom", ("end",), "go to the end"),
)
"""All actions, in the order of the help."""

WHEN_EMPTY = frozenset({"line_up", "line_down", "top", "bottom"})
"""Actions whose keys edit while the input holds text."""

Keys = Mapping[str, tuple[str, ...]]
"""The keys of each action."""

Do = Callable[[KeyPressEvent], object]


def configured_keys(config: Config) -> Keys:
    """Return the keys of each action, as configured.

    Alternatives are parted by commas: `help = "f10, ?"`. Raises: ConfigError for an
    action or a key that is none, and for a key with two meanings.
    """
    keys = {action.name: action.keys for action in ACTIONS}
    for name, text in config.ui.keys.items():
        if name not in keys:
            raise config.bad_value(SETTING, name, list(keys))
        alternatives = tuple(one.strip().lower() for one in text.split(",") if one)
        for alternative in alternatives:
            for key in alternative.split():
                if not is_key(key):
                    raise config.bad_value(SETTING, key, ALL_KEYS)
        keys[name] = tuple(one for one in alternatives if one)
    owners: dict[str, str] = {}
    for name, alternatives in keys.items():
        for alternative in alternatives:
            other = owners.setdefault(alternative, name)
            if other != name:
                value = f"{alternative}: both {other} and {name}"
                raise config.bad_value(SETTING, value, ["another key"])
    return keys


def is_key(key: str) -> bool:
    """Tell whether prompt_toolkit knows a key by this name."""
    return len(key) == 1 or key in ALL_KEYS or key in ("enter", "tab", "space")


def bind(
    bindings: KeyBindings,
    keys: Keys,
    name: str,
    do: Do,
    when: Filter | Condition,
    when_empty: Filter | Condition,
) -> None:
    """Bind an action's keys; those that would type or edit want an empty input."""
    for alternative in keys[name]:
        parts = ["c-m" if part == "enter" else part for part in alternative.split()]
        types = len(parts) == 1 and len(parts[0]) == 1
        is_bound = when & when_empty if types or name in WHEN_EMPTY else when
        bindings.add(*parts, filter=is_bound, eager=False)(do)


def key_help(keys: Keys, *, is_line: bool) -> list[tuple[str, str]]:
    """Return what keys do, as pairs for a table."""
    return [
        (", ".join(shown(one) for one in keys[action.name]), action.help)
        for action in ACTIONS
        if keys[action.name] and (action.is_line or not is_line)
    ]


def shown(alternative: str) -> str:
    """Return a key as people write it: `Ctrl-Q`, `Alt-Enter`, `F1`."""
    words = alternative.split()
    if words[:1] == ["escape"] and len(words) == 2:
        return f"Alt-{words[1].capitalize()}"
    names = []
    for word in words:
        head, dash, rest = word.partition("-")
        prefix = {"c": "Ctrl-", "s": "Shift-"}.get(head, "") if dash else ""
        names.append(prefix + (rest.upper() if prefix else word.capitalize()))
    return " ".join(names)
