"""A template as the text of its file."""

from __future__ import annotations

from datetime import UTC, datetime

from ..config.toml import bare_key, literal
from .frontmatter import FENCE
from .template import Template, Variable


def written(template: Template) -> str:
    """Return the text of a template's file."""
    lines = []
    if template.description is not None:
        lines.append(f"description = {literal(template.description)}")
    for key, values in (
        ("tags", template.tags),
        ("usage_examples", template.usage_examples),
    ):
        if values:
            lines.append(f"{key} = {literal(list(values))}")
    if template.parent_template is not None:
        lines.append(f"parent_template = {literal(template.parent_template)}")
    if template.created_at is not None:
        lines.append(f"created_at = {_date(template.created_at)}")
    lines += _carried_lines(template)
    if template.is_handlebars:
        lines.append("handlebars = true")
    for variable in template.variables:
        lines += _variable_lines(variable)
    if not lines:
        return template.content
    return "\n".join([FENCE, *lines, FENCE, template.content])


def _carried_lines(template: Template) -> list[str]:
    """Return the lines of what a template brings to a question."""
    texts = {
        "system": template.system,
        "model": template.model,
        "extract": template.extract,
        "schema": template.schema,
    }
    lines = [f"{key} = {literal(text)}" for key, text in texts.items() if text]
    if template.options:
        lines.append(f"options = {literal(template.options)}")
    return lines


def _variable_lines(variable: Variable) -> list[str]:
    lines = ["", f"[variables.{bare_key(variable.name)}]"]
    if variable.description:
        lines.append(f"description = {literal(variable.description)}")
    lines.append(f"type = {literal(variable.type)}")
    if variable.required is not None:
        lines.append(f"required = {literal(variable.required)}")
    if variable.default is not None:
        lines.append(f"default = {literal(variable.default)}")
    return lines


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
