"""Replies of real servers and proxies, and what a user must see of each.

Written down from the servers' documents, their source, recordings, and public reports
of what broke other clients. Each is replayed through the whole program by
tests/test_replies.py. `case` says how to read one; the modules beside it list them.
"""

from .case import Case
from .ends import ENDS
from .errors import ERRORS
from .shapes import SHAPES

CASES: tuple[Case, ...] = (*ENDS, *ERRORS, *SHAPES)

__all__ = ["CASES", "Case"]
