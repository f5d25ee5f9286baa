"""Where names are looked up while a template is rendered.

Not pystache's ContextStack: that one takes attributes of whatever object it meets and
calls what is callable. These look into dictionaries, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..messages import Json
    from .names import Name


class Missing:
    """What is not there."""

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


class Contexts:
    """The values that sections have opened, the innermost last.

    The first holds the reserved names, the second is the data. Belongs to one
    rendering.
    """

    is_handlebars = False

    def __init__(self, *values: Json | Missing) -> None:
        self.values = list(values)

    def get(self, name: Name) -> Json | Missing:
        """Return the value of a name, MISSING when there is none."""
        parts = name.parts
        if not parts:
            return self.values[-1]
        first = parts[0]
        # What is reserved is in the first, whatever the data holds of that name.
        values = self.values[:1] if name.is_reserved else self.values
        for item in reversed(values):
            if isinstance(item, dict) and first in item:
                value: Json | Missing = item[first]
                break
        else:
            return MISSING
        for part in parts[1:]:
            if not isinstance(value, dict) or part not in value:
                return MISSING
            value = value[part]
        return value
