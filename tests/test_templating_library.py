"""Templates are found, read once, kept whole, and never outside of their places."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from llmwrap.errors import ConfigError, LimitError, UsageError
from llmwrap.templating import Library, Template, TemplateDirectory, Variable

SPECIFICATIONS = """
Please review this {{language}} code:

```{{language}}
{{code}}
```

Focus on:
{{#each focus_areas}}
- {{this}}
{{/each}}
    """


class Shelves:
    """Three directories of templates and the library over them."""

    def __init__(self, path: Path) -> None:
        self.project, self.user, self.built_in = (
            path / name for name in ("project", "user", "builtin")
        )
        for directory in (self.project, self.user, self.built_in):
            directory.mkdir()
        self.places = [
            TemplateDirectory("project", str(self.project)),
            TemplateDirectory("user", str(self.user)),
            TemplateDirectory("built-in", str(self.built_in)),
        ]
        self.library = Library(self.places)

    def put(self, name: str, text: str, directory: Path | None = None) -> Path:
        path = (directory or self.project) / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path)


def replace(path: Path, text: str) -> None:
    """Write a file anew, so that it is another file whatever the clock says."""
    other = path.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


# Finding


def test_the_first_place_that_has_a_name_wins(shelves: Shelves) -> None:
    shelves.put("a.mustache", "built in", shelves.built_in)
    shelves.put("b.mustache", "built in", shelves.built_in)
    shelves.put("a.mustache", "user", shelves.user)
    shelves.put("c.mustache", "user", shelves.user)
    shelves.put("c.hbs", "project")

    found = {name: shelves.library.get(name).place for name in ("a", "b", "c")}

    assert found == {"a": "user", "b": "built-in", "c": "project"}
    assert shelves.library.names() == ["a", "b", "c"]


def test_a_place_that_is_missing_is_empty(tmp_path: Path) -> None:
    library = Library([TemplateDirectory("user", str(tmp_path / "none"))])

    assert library.names() == []
    with pytest.raises(ConfigError, match="there is no template 'a'"):
        library.get("a")


def test_an_unknown_name_gets_the_nearest_one(shelves: Shelves) -> None:
    shelves.put("greeting.mustache", "x")

    with pytest.raises(ConfigError) as caught:
        shelves.library.get("greetign")

    assert str(caught.value) == (
        "there is no template 'greetign'; did you mean 'greeting'?"
    )


def test_a_name_like_no_other_gets_the_way_to_the_list(shelves: Shelves) -> None:
    with pytest.raises(ConfigError) as caught:
        shelves.library.get("x")

    assert caught.value.hint == "run 'llmwrap template list'"


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "a/b",
        "",
        ".",
        "..",
        "a.b",
        "a\0b",
        "x" * 65,
        "é",
        " a",
    ],
)
def test_a_name_cannot_lead_anywhere_else(shelves: Shelves, name: str) -> None:
    shelves.put("secret.mustache", "x", shelves.project.parent)

    for act in (
        shelves.library.get,
        shelves.library.delete,
        shelves.library.path_for,
        shelves.library.prepared,
    ):
        with pytest.raises(ConfigError, match="is no name of a template"):
            act(name)


def test_a_link_is_not_followed(shelves: Shelves) -> None:
    secret = shelves.put("secret", "x", shelves.project.parent)
    (shelves.project / "a.mustache").symlink_to(secret)
    (shelves.project / "b.mustache").symlink_to(shelves.project / "none")

    for name in ("a", "b"):
        with pytest.raises(ConfigError, match="it is a link"):
            shelves.library.get(name)
    shelves.put("c.mustache", "{{> a}}")
    with pytest.raises(ConfigError, match="it is a link"):
        shelves.library.render("c", {})


def test_a_link_that_an_installer_made_is_followed(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("Hi")
    (tmp_path / "a.mustache").symlink_to(tmp_path / "store")
    library = Library([TemplateDirectory("built-in", str(tmp_path), is_ours=True)])

    assert library.render("a", {}) == "Hi"
    assert library.get("a") is library.get("a")


def test_what_is_no_plain_file_is_refused(shelves: Shelves) -> None:
    os.mkfifo(shelves.project / "pipe.mustache")
    (shelves.project / "folder.mustache").mkdir()

    for name in ("pipe", "folder"):
        with pytest.raises(ConfigError, match="it is no plain file"):
            shelves.library.get(name)


def test_a_file_that_is_too_large_is_a_limit(shelves: Shelves) -> None:
    shelves.put("big.mustache", "x" * (256 * 1024))
    shelves.put("bigger.mustache", "x" * (256 * 1024 + 1))

    assert shelves.library.render("big", {})
    with pytest.raises(LimitError, match=r"is longer than 256\.0 KiB"):
        shelves.library.get("bigger")


def test_a_file_that_is_not_utf8_is_refused(shelves: Shelves) -> None:
    (shelves.project / "a.mustache").write_bytes(b"one\ntwo \xff")

    with pytest.raises(ConfigError, match="not UTF-8 in line 2"):
        shelves.library.get("a")


# Reading again


def test_a_template_is_read_again_when_its_file_changed(shelves: Shelves) -> None:
    path = shelves.put("a.mustache", "one")
    assert shelves.library.render("a", {}) == "one"

    replace(path, "two")

    assert shelves.library.render("a", {}) == "two"


def test_a_partial_and_a_parent_are_read_again_too(shelves: Shelves) -> None:
    shelves.put("a.mustache", '+++\nparent_template = "base"\n+++\n{{> part}}')
    base = shelves.put("base.mustache", "<{{@content}}>")
    part = shelves.put("part.mustache", "one")
    assert shelves.library.render("a", {}) == "<one>"

    replace(part, "two")
    assert shelves.library.render("a", {}) == "<two>"
    replace(base, "[{{@content}}]")

    assert shelves.library.render("a", {}) == "[two]"


def test_one_that_takes_its_place_is_found(shelves: Shelves) -> None:
    shelves.put("a.mustache", "user", shelves.user)
    assert shelves.library.render("a", {}) == "user"

    shelves.put("a.mustache", "project")

    assert shelves.library.render("a", {}) == "project"


def test_without_auto_reload_it_stays_as_it_was_read(shelves: Shelves) -> None:
    path = shelves.put("a.mustache", "one")
    library = Library(shelves.places, auto_reload=False)
    assert library.render("a", {}) == "one"

    replace(path, "two")

    assert library.render("a", {}) == "one"


def test_it_is_parsed_once(shelves: Shelves) -> None:
    shelves.put("a.mustache", "{{> part}}")
    shelves.put("part.mustache", "x")

    first = shelves.library.prepared("a")
    shelves.library.render("a", {})

    assert shelves.library.prepared("a") is first


# Composition


def test_a_parent_is_rendered_around_its_child(shelves: Shelves) -> None:
    shelves.put("child.mustache", '+++\nparent_template = "mid"\n+++\nHi {{name}}')
    shelves.put("mid.mustache", '+++\nparent_template = "top"\n+++\n({{@content}})')
    shelves.put("top.mustache", "{{title}}: {{@content}}!")

    text = shelves.library.render("child", {"name": "Al", "title": "T"})

    assert text == "T: (Hi Al)!"


def test_the_child_follows_a_parent_that_has_no_place_for_it(shelves: Shelves) -> None:
    shelves.put("child.mustache", '+++\nparent_template = "top"\n+++\nHi')
    shelves.put("top.mustache", "You are terse.\n")

    assert shelves.library.render("child", {}) == "You are terse.\n\nHi"


def test_what_the_child_says_is_not_read_as_a_template(shelves: Shelves) -> None:
    shelves.put("child.mustache", '+++\nparent_template = "top"\n+++\n{{a}}')
    shelves.put("top.mustache", "{{@content}}")

    assert shelves.library.render("child", {"a": "{{b}}"}) == "{{b}}"


def test_what_is_reserved_cannot_be_given(shelves: Shelves) -> None:
    shelves.put("a.mustache", "[{{@content}}]{{#l}}[{{@content}}]{{/l}}")

    text = shelves.library.render(
        "a", {"@content": "x", "l": [{"@content": "y"}]}, is_lax=True
    )

    assert text == "[][]"


def test_parents_that_go_round_are_a_limit(shelves: Shelves) -> None:
    shelves.put("a.mustache", '+++\nparent_template = "b"\n+++\n')
    shelves.put("b.mustache", '+++\nparent_template = "a"\n+++\n')

    with pytest.raises(LimitError, match="has more than 16 parents"):
        shelves.library.render("a", {})


def test_a_parent_that_does_not_exist_is_an_error(shelves: Shelves) -> None:
    shelves.put("a.mustache", '+++\nparent_template = "b"\n+++\n')

    with pytest.raises(ConfigError, match="there is no parent template 'b'"):
        shelves.library.render("a", {})


def test_a_partial_brings_its_variables_and_defaults(shelves: Shelves) -> None:
    shelves.put("a.mustache", "{{> part}}")
    shelves.put("part.mustache", "+++\n[variables.n]\ndefault = 3\n+++\n{{n}}")

    assert shelves.library.render("a", {}) == "3"
    assert shelves.library.render("a", {"n": 4}) == "4"


# Variables


HEAD = """+++
[variables.name]
type = "string"
[variables.count]
type = "integer"
default = 2
[variables.note]
required = false
+++
"""


def test_a_declared_variable_that_is_missing_is_named_with_its_line(
    shelves: Shelves,
) -> None:
    shelves.put("a.mustache", HEAD + "{{#count}}\n{{name}}{{/count}}{{note}}")

    with pytest.raises(ConfigError) as caught:
        shelves.library.render("a", {})

    assert str(caught.value) == (
        "template 'a', line 11: missing variable 'name'; known are count, name, note"
    )


def test_a_default_counts_and_what_is_not_required_is_empty(shelves: Shelves) -> None:
    shelves.put("a.mustache", HEAD + "{{name}}{{count}}[{{note}}]")

    assert shelves.library.render("a", {"name": "x"}) == "x2[]"


def test_a_superfluous_variable_is_named_with_the_nearest(shelves: Shelves) -> None:
    shelves.put("a.mustache", HEAD + "{{name}}")

    with pytest.raises(ConfigError) as caught:
        shelves.library.render("a", {"name": "x", "cuont": 3})

    assert str(caught.value) == (
        "template 'a' knows no variable 'cuont'; did you mean 'count'?"
    )


def test_each_that_is_missing_and_each_that_is_superfluous_is_named(
    shelves: Shelves,
) -> None:
    shelves.put("a.mustache", HEAD + "{{count}}\n{{other}}{{name}}")

    with pytest.raises(ConfigError) as missing:
        shelves.library.render("a", {})
    with pytest.raises(ConfigError) as superfluous:
        shelves.library.render("a", {"x": 1, "y": 2, "name": "z"})

    assert str(missing.value) == (
        "template 'a', line 11: missing variables 'name', 'other';"
        " known are count, name, note, other"
    )
    assert str(superfluous.value) == (
        "template 'a' knows no variables 'x', 'y'; known are count, name, note, other"
    )


def test_a_value_of_another_type_is_an_error(shelves: Shelves) -> None:
    shelves.put("a.mustache", HEAD + "{{name}}{{count}}")

    with pytest.raises(ConfigError) as caught:
        shelves.library.render("a", {"name": "x", "count": "three"})

    assert str(caught.value) == (
        "template 'a': variable 'count' is 'three', an integer is wanted"
    )


def test_lax_lifts_missing_and_superfluous(shelves: Shelves) -> None:
    shelves.put("a.mustache", HEAD + "{{name}}{{other}}{{count}}")

    assert shelves.library.render("a", {"x": 1}, is_lax=True) == "2"


def test_variables_are_listed_with_what_is_known_of_them(shelves: Shelves) -> None:
    shelves.put("a.mustache", HEAD + "{{name}}{{free}}{{#maybe}}{{item}}{{/maybe}}")

    found = {v.name: v.is_required for v in shelves.library.prepared("a").variables}

    assert found == {
        "name": True,
        "count": False,
        "note": False,
        "free": True,
        "item": False,
        "maybe": False,
    }


# Handlebars


def test_a_handlebars_file_works_where_it_lies(shelves: Shelves) -> None:
    shelves.put("a.hbs", "{{#if x}}yes {{x}}{{else}}no{{/if}}")

    assert shelves.library.render("a", {"x": [1, 2]}) == "yes 1,2"
    assert shelves.library.render("a", {}) == "no"


def test_a_handlebars_file_may_include_and_be_included(shelves: Shelves) -> None:
    shelves.put("a.hbs", "{{#each l}}{{> card}}{{/each}}")
    shelves.put("card.hbs", "<{{this}}{{../x}}>")
    shelves.put("b.mustache", "{{#l}}{{> card}}{{/l}}")

    assert shelves.library.render("a", {"l": [1, 2]}) == "<1><2>"
    assert shelves.library.render("b", {"l": [1, 2]}) == "<1><2>"


def test_a_handlebars_file_has_the_lines_it_has(shelves: Shelves) -> None:
    shelves.put("a.hbs", "one\n{{> none}}")
    shelves.put("b.hbs", "+++\ntags = []\n+++\none\n{{> none}}")

    for name, line in (("a", 2), ("b", 5)):
        with pytest.raises(ConfigError, match=f"'{name}', line {line}: there is no"):
            shelves.library.render(name, {})


def test_a_mustache_file_includes_one_of_handlebars_in_its_context(
    shelves: Shelves,
) -> None:
    shelves.put("a.hbs", "{{#with o}}{{> m}}{{/with}}")
    shelves.put("m.mustache", "{{x}}{{outer}}")

    text = shelves.library.render("a", {"o": {"x": 1}, "outer": 2})

    assert text == "12"


# Writing


def test_what_is_created_is_private_and_whole(tmp_path: Path) -> None:
    library = Library([TemplateDirectory("user", str(tmp_path / "new" / "templates"))])

    path = Path(library.create("a", "Hi {{name}}"))

    assert path == tmp_path / "new" / "templates" / "a.mustache"
    assert path.read_text() == "Hi {{name}}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["a.mustache"]


def test_what_exists_is_replaced_only_on_purpose(shelves: Shelves) -> None:
    path = shelves.put("a.mustache", "old")
    shelves.put("b.hbs", "old")

    for name in ("a", "b"):
        with pytest.raises(UsageError, match="exists already; --force replaces it"):
            shelves.library.create(name, "new")
    assert path.read_text() == "old"
    shelves.library.create("a", "new", is_replaced=True)

    assert shelves.library.render("a", {}) == "new"


def test_a_built_in_template_is_shadowed_and_never_changed(shelves: Shelves) -> None:
    path = shelves.put("a.mustache", "built in", shelves.built_in)

    shelves.library.create("a", "mine")

    assert path.read_text() == "built in"
    assert shelves.library.render("a", {}) == "mine"
    shelves.library.delete("a")
    assert shelves.library.render("a", {}) == "built in"
    with pytest.raises(UsageError, match="is built in and cannot be deleted"):
        shelves.library.delete("a")


@pytest.mark.parametrize(
    "text",
    ["{{#a}}", "+++\nx = 1\n+++\n", "{{> none}}", '+++\nparent_template="none"\n+++\n'],
)
def test_what_is_not_valid_is_never_written(shelves: Shelves, text: str) -> None:
    with pytest.raises(ConfigError):
        shelves.library.create("a", text)

    assert os.listdir(shelves.project) == []


def test_one_that_includes_itself_can_be_created(shelves: Shelves) -> None:
    shelves.library.create("tree", "{{name}}{{#in}}({{> tree}}){{/in}}")

    text = shelves.library.render("tree", {"name": 1, "in": {"name": 2, "in": None}})

    assert text == "1(2)"


def test_a_link_in_its_place_is_not_written_through(shelves: Shelves) -> None:
    victim = shelves.put("victim", "precious", shelves.project.parent)
    (shelves.project / "a.mustache").symlink_to(victim)

    shelves.library.create("a", "new", is_replaced=True)

    assert victim.read_text() == "precious"
    assert shelves.library.render("a", {}) == "new"


def test_a_template_is_saved_with_all_that_is_known_of_it(shelves: Shelves) -> None:
    template = Template(
        name="a",
        content="Hi {{name}}{{#l}}{{.}}{{/l}}\n",
        description='say "hi"\nto somebody',
        variables=[
            Variable("name", "string", "whom"),
            Variable("l", "list", default=["x", 1, True]),
            Variable("o-o", "object", required=False),
        ],
        created_at=1_767_225_600.0,
        parent_template=None,
        tags=["one", "two"],
        usage_examples=["llmwrap -t a"],
    )

    shelves.library.save(template)

    found = shelves.library.get("a").template
    assert found == template._replace(
        variables=tuple(template.variables),
        tags=("one", "two"),
        usage_examples=("llmwrap -t a",),
    )


def test_saving_replaces_and_dates(shelves: Shelves) -> None:
    before = time.time()

    shelves.library.save(Template("a", "one"))
    shelves.library.save(Template("a", "two"))

    created_at = shelves.library.get("a").template.created_at
    assert created_at is not None
    assert before - 1 <= created_at <= time.time()
    assert shelves.library.render("a", {}) == "two"


def test_the_template_of_the_specification_is_saved(shelves: Shelves) -> None:
    template = Template(
        name="code_review",
        content=SPECIFICATIONS,
        description="Code review template",
        tags=["development"],
    )

    shelves.library.save(template)

    text = shelves.library.render(
        "code_review",
        {"language": "rust", "code": "a < b", "focus_areas": ["speed", "safety"]},
    )
    assert text.startswith("\nPlease review this rust code:\n\n```rust\na < b\n```\n")
    assert text.endswith("Focus on:\n- speed\n- safety\n    ")


def test_a_template_without_a_head_has_the_date_of_its_file(shelves: Shelves) -> None:
    path = shelves.put("a.mustache", "x")
    os.utime(path, (1_000_000_000, 1_000_000_000))

    assert shelves.library.get("a").template.created_at == 1_000_000_000
