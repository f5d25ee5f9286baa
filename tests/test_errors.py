"""One tree, one exit status each."""

from __future__ import annotations

import signal

from llmwrap import errors
from llmwrap.errors import Interrupted, LLMWrapError, RefusedError


def _classes() -> list[type[LLMWrapError]]:
    found = [LLMWrapError]
    for known in found:
        found += known.__subclasses__()
    return [known for known in found if known.__module__ == "llmwrap.errors"]


def test_no_two_errors_share_a_status_or_a_kind() -> None:
    """Save one that is a case of another: scripts see what it is a case of."""
    classes = LLMWrapError.__subclasses__()

    assert len({known.exit_status for known in classes}) == len(classes)
    assert len({known.kind for known in classes}) == len(classes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {
        (words[0], int(words[1]), words[2])
        for line in (errors.__doc__ or "").splitlines()
        if len(words := line.strip("│├└─ ").split()) > 3 and words[1].isdigit()
    }

    assert drawn == {(c.__name__, c.exit_status, c.kind) for c in _classes()}


def test_the_hint_follows_the_message() -> None:
    error = RefusedError("model 'x' not found", hint="run 'llmwrap models'")

    assert str(error) == "model 'x' not found; run 'llmwrap models'"


def test_a_signal_has_the_status_a_shell_gives_it() -> None:
    assert Interrupted(signal.SIGTERM).exit_status == 143
    assert isinstance(Interrupted(signal.SIGINT), KeyboardInterrupt)
