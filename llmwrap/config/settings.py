"""What file and variables set, before defaults fill in the rest."""

from __future__ import annotations

from .complaints import bad_value
from .kinds import BACKEND_KIND, BUILT_IN_KINDS, Place
from .schema import BACKENDS, Key


class Settings:
    """Collect parsed values of one load, each with its origin; the last one wins.

    `values` has a mapping for each section that was mentioned, whose keys are the
    names of the schema; a backend's section is `backends.NAME`. `origins` goes by
    the dotted names, `backends.NAME` among them. Belongs to the thread that loads.
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[str, object]] = {}
        self.origins: dict[str, str] = {}
        self.backends: list[str] = []

    def add_backend(self, name: str, origin: str) -> str:
        """Note a table that was not there before and return its section."""
        section = f"{BACKENDS}.{name}"
        self.backends.append(name)
        self.values[section] = {}
        self.origins[section] = origin
        return section

    def put(
        self, section: str, key: Key, raw: object, origin: str, place: Place
    ) -> None:
        """Parse a value as TOML has it and keep it. Raises: ConfigError."""
        dotted = f"{section}.{key.name}"
        try:
            value = key.kind.parse(raw, place)
        except ValueError as error:
            shown = key.kind.mask(raw) if isinstance(raw, str) else raw
            raise bad_value(origin, dotted, shown, str(error)) from None
        self.values.setdefault(section, {})[key.name] = value
        self.origins[dotted] = origin

    def put_text(
        self, section: str, key: Key, text: str, origin: str, place: Place
    ) -> None:
        """Parse a value as a variable has it and keep it. Raises: ConfigError."""
        try:
            raw = key.kind.from_text(text)
        except ValueError as error:
            dotted = f"{section}.{key.name}"
            raise bad_value(origin, dotted, text, str(error)) from None
        self.put(section, key, raw, origin, place)


def is_backend_name(name: str) -> bool:
    """Tell whether a table may be called so: what TOML takes without quotes."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def built_in_kind(name: str) -> str | None:
    """Return the built-in kind of which a backend's name speaks, None if of none."""
    kind = str(BACKEND_KIND.parse(name, Place("", {})))
    return kind if kind in BUILT_IN_KINDS else None
