"""/commands about questions and answers."""

from __future__ import annotations

from ..history import Turn
from ..terminal.fences import code_blocks
from .copying import pasteable
from .room import Effect, Room, Slash

_BUSY = "an answer is under way; Ctrl-C stops it"


def last_answer(room: Room) -> Turn | None:
    """Return the last answer of the conversation, if there is one."""
    turns = room.talk.turns()
    answers = [turn for turn in turns if turn.message.role == "assistant"]
    return answers[-1] if answers else None


def _retry(room: Room, argument: str) -> Effect:
    if room.talk.is_busy:
        return Effect(error=_BUSY)
    if not room.talk.retry():
        return Effect(error="there is no question to ask again")
    return Effect(is_asked=True)


def _edit(room: Room, argument: str) -> Effect:
    if room.talk.is_busy:
        return Effect(error=_BUSY)
    question = room.edit()
    if question is None:
        return Effect(error="there is no question to edit")
    return Effect(
        fills=question,
        says="the next question takes the place of the last one and its answer",
    )


def _undo(room: Room, argument: str) -> Effect:
    if room.talk.is_busy:
        return Effect(error=_BUSY)
    question = room.talk.undo()
    if question is None:
        return Effect(error="there is nothing of this chat to undo")
    return Effect(says="the last question and its answer no longer count", is_new=True)


def _copy(room: Room, argument: str) -> Effect:
    answer = last_answer(room)
    if answer is None:
        return Effect(error="there is no answer to copy")
    text = answer.message.content
    if argument:
        blocks = code_blocks(text)
        number = int(argument) if argument.isdecimal() and len(argument) < 6 else 0
        if not 1 <= number <= len(blocks):
            return Effect(error=f"the last answer has {len(blocks)} blocks of code")
        text = blocks[number - 1].text
    return Effect(copies=pasteable(text))


def _compact(room: Room, argument: str) -> Effect:
    if room.talk.is_busy:
        return Effect(error=_BUSY)
    if not room.talk.compact():
        return Effect(error="there are no older turns to summarise")
    return Effect(is_asked=True)


def _clear(room: Room, argument: str) -> Effect:
    room.begin()
    return Effect(says="a new conversation begins", is_new=True)


TURNS = (
    Slash("retry", "", "ask the last question again", _retry),
    Slash("edit", "", "take the last question back into the input", _edit),
    Slash("undo", "", "forget the last question and its answer", _undo),
    Slash("copy", "[N]", "copy the last answer, or its Nth block of code", _copy),
    Slash("compact", "", "summarise the older turns to free context", _compact),
    Slash("clear", "", "begin a new conversation; this one is kept", _clear),
)
"""The commands of this module."""
