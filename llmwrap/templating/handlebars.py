"""Handlebars brought in: its templates as Mustache that gives the same text.

    Hello {{name}}!              Hello {{name}}!
    {{#if urgent}}               {{#if:urgent}}
    Now: {{../message}}          Now: {{../message}}
    {{else}}                     {{/if:urgent}}
    Later.                       {{^if:urgent}}
    {{/if}}                      Later.
                                 {{/if:urgent}}

What Mustache has no word for stands in the name of a section: `if:`, `each:` and
`with:` say what it does with the context, and the head's `handlebars = true` has names
mean what they mean there (contexts.py, javascript.py). What has no equal is refused.
The text is what real Handlebars 4.7 makes with `noEscape: true` (tests/handlebars has
the proof), but for a slip of its own: it adds numbers and booleans that touch where
nothing stands before them, so that `{{a}}{{b}}` of 1 and 2 is 3 there and 12 here.
See: handlebarsjs.com/guide, and its lib/handlebars/compiler.
"""

from __future__ import annotations

import re

from .frontmatter import FENCE, take_apart
from .handlebars_blanks import strip_blanks
from .handlebars_tree import parse_handlebars
from .handlebars_writer import mustache

_BLOCKS = re.compile(
    r"\{\{~?(?:[#^]\s*(?:if|unless|each|with)\s|\s*else\b|/\s*(?:if|unless|each|with)\b)"
)


def has_blocks(text: str) -> bool:
    """Tell whether a text has blocks that Handlebars knows and Mustache does not."""
    return _BLOCKS.search(text) is not None


def to_mustache(template: str, text: str, *, first_line: int = 1) -> str:
    """Return a Handlebars text as Mustache; `template` is its name, for messages.

    Raises: ConfigError for what has no equal, LimitError.
    """
    program = parse_handlebars(template, text, first_line)
    strip_blanks(program)
    return mustache(program)


def brought_in(template: str, text: str, path: str) -> str:
    """Return the file of a Handlebars template as that of a Mustache template.

    It may have a head already, as ours have. Raises: as `to_mustache`.
    """
    head, body, first_line = take_apart(text, path)
    content = to_mustache(template, body, first_line=first_line)
    # The flag comes first: behind a [table] it would be part of that.
    return f"{FENCE}\nhandlebars = true\n{head}{FENCE}\n{content}"
