"""Prompts from templates: which library, and where the input goes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from .. import paths
from ..config import Config
from ..errors import ConfigError, UsageError
from ..messages import Json, Rendered
from ..templating import BUILT_IN, INPUT, Library, Prepared, TemplateDirectory
from .carried import NOTHING, Carried

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def open_library(config: Config, environ: Mapping[str, str]) -> Library:
    """Return the templates of the project, of the user, and the built-in ones."""
    settings = config.templates
    places = [
        TemplateDirectory("user", os.path.join(paths.config_dir(environ), "templates")),
        TemplateDirectory(BUILT_IN, _built_in_dir(), is_ours=True),
    ]
    if settings.template_dir:
        places.insert(0, TemplateDirectory("project", settings.template_dir))
    return Library(places, auto_reload=settings.auto_reload)


def _built_in_dir() -> str:
    # Not importlib.resources, which costs 20 ms to import. In a checkout they lie
    # beside the package, as nothing has been installed yet.
    installed = os.path.join(_PACKAGE, "builtin_templates")
    if os.path.isdir(installed):
        return installed
    return os.path.join(os.path.dirname(_PACKAGE), "templates")


class Filled(NamedTuple):
    """A template with its variables, which wants its input yet; and what it brings."""

    template: Prepared
    variables: Mapping[str, Json]
    is_lax: bool = False
    carried: Carried = NOTHING

    @property
    def has_input(self) -> bool:
        """Tell whether the input was given as a variable."""
        return INPUT in self.variables

    def prompt(self, given: str) -> str:
        """Return what a model is asked: the text, without the blanks around it.

        Raises: as `text`.
        """
        return self.text(given).lstrip("\n").rstrip()

    def timed_prompt(self, given: str) -> tuple[str, Rendered]:
        """Return what a model is asked, and what its run's record is to say of it.

        Raises: as `text`.
        """
        started = time.monotonic()
        prompt = self.prompt(given)
        elapsed_s = time.monotonic() - started
        return prompt, Rendered(self.template.template.name, elapsed_s)

    def text(self, given: str) -> str:
        """Return what the template makes; `given` is what was asked and piped in.

        It is the variable `input`, and follows the text of a template without one.
        Raises: UsageError when the input is given twice, ConfigError, LimitError.
        """
        template, name = self.template, self.template.template.name
        if given and self.has_input:
            raise UsageError(
                "the input is given twice", hint="as a variable and as a prompt"
            )
        variables = dict(self.variables)
        if template.uses_input:
            if given:
                variables[INPUT] = given
            elif not self.has_input and not self.is_lax and template.needs_input:
                raise ConfigError(
                    f"template '{name}' wants an input",
                    hint="give a prompt, or pipe something in",
                )
        text = template.render(variables, is_lax=self.is_lax)
        if given and not template.uses_input:
            text = text.rstrip()
            return f"{text}\n\n{given}" if text else given
        return text
