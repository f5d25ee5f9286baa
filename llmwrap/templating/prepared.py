"""A template ready to be rendered: parsed, with all it says of its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..config.complaints import suggestion
from ..errors import ConfigError
from ..messages import Json
from .renderer import Load, Parsed, render
from .tags import Use
from .template import INPUT, Template, Variable
from .values import check_type, plain


class Prepared:
    """A template with its parents, parsed once; any thread may render it.

    `layers` are the template and its parents, the innermost first, each with its
    text; `included` are the partials that any of them names, at any depth. `load`
    hands out partials while it is rendered.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Template, Parsed]],
        included: Iterable[tuple[Template, Parsed]],
        load: Load,
    ) -> None:
        self.template = layers[0][0]
        self._layers = [parsed for _, parsed in layers]
        self._load = load
        self._declared: dict[str, Variable] = {}
        self._used: dict[str, Use] = {}
        self._homes: dict[str, str] = {}
        for template, parsed in layers:
            self._take(template, parsed.names)
        for template, parsed in included:
            # A partial may stand where it is never reached, or where items are.
            names = {
                n: use._replace(is_needed=False) for n, use in parsed.names.items()
            }
            self._take(template, names)
        self._known = tuple(sorted({*self._declared, *self._used}))
        self._needed = [v.name for v in self.variables if v.is_required]
        self._typed = [v for v in self._declared.values() if v.type != "any"]
        self._defaults = {
            variable.name: variable.default
            for variable in self._declared.values()
            if not variable.is_required or variable.default is not None
        }

    def _take(self, template: Template, names: Mapping[str, Use]) -> None:
        for variable in template.variables:
            self._declared.setdefault(variable.name, variable)
        for name, use in names.items():
            before = self._used.get(name)
            if before is None or (use.is_needed and not before.is_needed):
                self._used[name] = use
                self._homes[name] = template.name

    @property
    def uses_input(self) -> bool:
        """Tell whether the prompt and what is piped in have a place of their own."""
        return INPUT in self._used

    @property
    def needs_input(self) -> bool:
        """Tell whether rendering without an input is an error."""
        return any(v.name == INPUT and v.is_required for v in self.variables)

    @property
    def declared(self) -> Mapping[str, Variable]:
        """Return the variables that are declared, by name."""
        return self._declared

    @property
    def variables(self) -> list[Variable]:
        """Return all variables: those declared, then those only used."""
        found = list(self._declared.values())
        for name, use in sorted(self._used.items()):
            if name not in self._declared:
                found.append(Variable(name, required=use.is_needed))
        return found

    def render(self, variables: Mapping[str, Json], *, is_lax: bool = False) -> str:
        """Return the text. `is_lax` lets variables be missing and superfluous.

        Raises: ConfigError, LimitError, UsageError for what is no plain JSON.
        """
        plain(variables)
        data = {**self._defaults, **variables}
        if not is_lax:
            self._check_names(variables, data)
        for variable in self._typed:
            if variable.name in variables:
                check_type(variable, variables[variable.name], self.template.name)
        text = ""
        for layer in self._layers:
            below = text
            text = render(
                layer,
                data,
                self._load,
                content=below,
                known=self._known,
                is_lax=is_lax,
            )
            if below and not layer.has_content:
                text = f"{text.rstrip()}\n\n{below}"
        return text

    def _check_names(
        self, variables: Mapping[str, Json], data: Mapping[str, Json]
    ) -> None:
        if unknown := [name for name in variables if name not in self._known]:
            raise self._superfluous(unknown)
        if missing := [name for name in self._needed if name not in data]:
            raise self._missing(missing)

    def _superfluous(self, names: Sequence[str]) -> ConfigError:
        known = [name for name in self._known if name != INPUT]
        hint = suggestion(names[0], known) if known else "it has none"
        if names[1:] and known:
            hint = f"known are {', '.join(known)}"
        what = f"template '{self.template.name}' knows no {_listed(names)}"
        return ConfigError(what, hint=hint)

    def _missing(self, names: Sequence[str]) -> ConfigError:
        uses = [self._used[name] for name in names if name in self._used]
        where = f"template '{self.template.name}'"
        if uses:
            first = next(name for name in names if name in self._used)
            where = f"template '{self._homes[first]}', line {uses[0].line}"
        hint = f"known are {', '.join(self._known)}"
        return ConfigError(f"{where}: missing {_listed(names)}", hint=hint)


def _listed(names: Sequence[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"variables {quoted}" if names[1:] else f"variable {quoted}"
