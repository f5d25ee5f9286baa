"""Whatever is typed: sent, saved, loaded and edited as it is."""

from __future__ import annotations

import random

import pytest

from llmwrap.messages import Message
from llmwrap.repl.slash import enter, is_slashed

from .chatting import asked
from .drawing import stage
from .fakeserver import FakeServer
from .runner import Home

PIECES = (
    *("a", "word", " ", "  ", "\n", "\r\n", "\r", "\t", "/", "//", "/help", "\\"),
    *("```", "```py\n", "~~~", "> ", "- ", "# ", "<b>", "&amp;", "{{x}}", '"', "'"),
    *("ä", "世界", "👩\u200d💻", "\u202e", "\u200b", "\x1b[31m", "\x07", "\u2028"),
)


def texts(count: int) -> list[str]:
    """Return texts of all kinds, the same ones each time."""
    chance = random.Random(1)
    made = (
        "".join(chance.choices(PIECES, k=chance.randint(1, 12))) for _ in range(999)
    )
    asked = dict.fromkeys(t for t in made if t.strip() and not is_slashed(t))
    return list(asked)[:count]


def test_what_is_saved_is_loaded_and_edited_as_it_was(
    home: Home, server: FakeServer
) -> None:
    written = texts(300)
    file = home.path / "all.json"
    with stage(home, server) as on:
        talk = on.room.talk
        for text in written:
            talk.conversation.add(Message("user", text))
            talk.conversation.add(Message("assistant", text), model="alpha")

        assert not enter(on.room, f"/save {file}").error
        assert not enter(on.room, f"/load {file}").error

        said = [turn.message.content for turn in talk.turns()]
        assert said == [text for text in written for _ in range(2)]
        for text in reversed(written):
            assert enter(on.room, "/edit").fills == text
            talk.drop_edited()


@pytest.mark.slow
def test_what_is_typed_is_sent_as_it_is(home: Home, server: FakeServer) -> None:
    written = texts(100)
    with stage(home, server) as on:
        talk = on.room.talk
        for text in written:
            assert not enter(on.room, text).error
            while talk.is_busy:
                talk.mailbox.wait(1.0)
                talk.mailbox.take()
            talk.check()

        said = [turn.message.content for turn in talk.turns()]
        assert said[::2] == written
    sent = [text for role, text in asked(server)[-1] if role == "user"]
    assert sent == written
