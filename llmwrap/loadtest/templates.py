"""The door through which templates come into load tests. Floor F6.

The library of templates is a part of its own. Until it is there, asking for it is an
error that says so: a test of nothing would pass.
"""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import UsageError
from .prompts import Prompts

LIBRARY = "llmwrap.templating"


def check_templates() -> None:
    """Raise UsageError where there is no library of templates."""
    if find_spec(LIBRARY) is None:
        raise UsageError(
            "--test-templates needs the template library, which is not built yet",
            hint="--prompts FILE asks prompts that were rendered before",
        )


def template_prompts() -> Prompts:
    """Return a prompt of each template, with variables made up. Raises: UsageError."""
    check_templates()
    raise UsageError("--test-templates is not connected to the template library yet")
