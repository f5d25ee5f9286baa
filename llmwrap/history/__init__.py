"""Conversations kept as they happen.

One journal a conversation in the state directory, each turn appended when it is
there: a crash loses the turn in flight and nothing else. Not for asking: the engine
and the fronts do that.
"""

from .conversation import Conversation
from .conversations import Conversations, Match, Summary
from .turns import KeptTurn, Turn, last_system, spoken

__all__ = [
    "Conversation",
    "Conversations",
    "KeptTurn",
    "Match",
    "Summary",
    "Turn",
    "last_system",
    "spoken",
]
