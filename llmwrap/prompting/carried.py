"""What a template brings beside its text: system prompt, model, options, which code.

Only the user's own templates may bring anything. A project's lie in a checkout, which
never decides where a prompt goes: its model has to be one that the backend which is
asked anyway has itself, or an alias of the user's, and its options draw the answer and
do nothing else.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Self

from ..config import AliasConfig, Config
from ..config.complaints import printable, quoted
from ..errors import ConfigError
from ..messages import Json

TYPE_CHECKING = False  # most who ask have no template
if TYPE_CHECKING:
    from ..templating import Stored

USER = "user"
"""The place of one's own templates."""


class Carried(NamedTuple):
    """What one template brings; None and empty for what it leaves alone.

    `system` and `schema` may be `@FILE`, with an absolute path. `local_for` is set
    where the model must be one that the backend lists as its own: it begins the message
    otherwise.
    """

    template: str
    system: str | None = None
    model: str | None = None
    options: Mapping[str, Json] = {}
    extract: str | None = None
    local_for: str = ""
    schema: str | None = None


NOTHING = Carried("")
"""What no template brings."""


def carried(
    stored: "Stored", aliases: Collection[str], *, has_model: bool = False
) -> Carried:
    """Return what a template brings; where the user named a model, none.

    Raises: ConfigError naming file and key.
    """
    if has_model:
        stored = stored._replace(template=stored.template._replace(model=None))
    template, path = stored.template, printable(stored.path)
    system, model = template.system, template.model
    local_for = ""
    if stored.place == USER:
        system = _beside(os.path.abspath(stored.path), system)
    else:
        _check_strange(stored, aliases)
        if model is not None and model not in aliases:
            local_for = f"'{path}': bad value {quoted(model)} for 'model'"
    if template.extract is not None:
        _check_extract(template.extract, path)
    return Carried(
        template.name,
        system,
        model,
        template.options,
        template.extract,
        local_for,
        None if template.schema is None else _schema(template.schema, stored.path),
    )


def _schema(given: str, path: str) -> str:
    """Return what `--schema` would be given; a file lies beside the template."""
    from ..schemas.reading import file_named  # late: few templates have one

    name = file_named(given)
    if not name:
        return given
    home = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    file = os.path.realpath(os.path.join(home, name))
    if os.path.commonpath((file, home)) != home:
        where = "it has to lie beside the template"
        raise _bad(printable(path), "schema", given, where)
    return f"@{file}"


def _beside(path: str | None, system: str | None) -> str | None:
    """Return a system prompt; `@FILE` starts at the directory of the file it is in."""
    if path is None or system is None or not system.startswith("@"):
        return system
    return "@" + os.path.join(os.path.dirname(path), os.path.expanduser(system[1:]))


class Layer(NamedTuple):
    """What one origin says of a question."""

    origin: str
    system: str | None
    options: Mapping[str, Json]


class Layers(NamedTuple):
    """What is said of a question below the command line, the last on top."""

    layers: Sequence[Layer]

    @classmethod
    def of(cls, config: Config, alias: AliasConfig | None, brought: Carried) -> Self:
        """Return the layers of a configuration, an alias and a template."""
        defaults, path = config.defaults, config.path
        system = _beside(path, defaults.system)
        found = [Layer("[defaults]", system, defaults.options)]
        if alias:
            system = _beside(path, alias.system)
            found.append(Layer(f"alias '{alias.name}'", system, alias.options))
        origin = f"template '{brought.template}'"
        return cls([*found, Layer(origin, brought.system, brought.options)])

    @property
    def system(self) -> Layer | None:
        """Return the layer whose system prompt counts, None when there is none."""
        found = [layer for layer in self.layers if layer.system is not None]
        return found[-1] if found else None

    @property
    def options(self) -> Mapping[str, Json]:
        """Return the options, laid over one another."""
        from .sampling import layered  # late, as below

        return layered(*(layer.options for layer in self.layers))

    def origin(self, option: str) -> str:
        """Return where an option of those comes from."""
        return [one.origin for one in self.layers if option in one.options][-1]


def _check_strange(stored: "Stored", aliases: Collection[str]) -> None:
    """Check a template that is not the user's own."""
    template, path = stored.template, printable(stored.path)
    if template.system is not None and template.system.startswith("@"):
        raise _bad(path, "system", template.system, "only your own may name a file")
    model = template.model
    if model is not None and model not in aliases and _is_path(model):
        raise _bad(path, "model", model, "only your own may name a file; or give -m")
    if template.options:
        from .sampling import DRAWING  # late: it knows what backends call options

        for name in template.options.keys() - DRAWING:
            hint = "only your own may set what is no sampling"
            raise _bad(path, f"options.{name}", template.options[name], hint)


def _is_path(model: str) -> bool:
    return model.lower().endswith(".gguf") or model.startswith(("/", ".", "~"))


def _check_extract(wanted: str, path: str) -> None:
    from ..terminal.fences import checked_wanted  # late: few take code out of answers

    try:
        checked_wanted(wanted)
    except ValueError as error:
        raise ConfigError(f"'{path}': 'extract': {error}") from error


def _bad(path: str, key: str, value: object, hint: str) -> ConfigError:
    return ConfigError(f"'{path}': bad value {quoted(value)} for '{key}'", hint=hint)
