"""`config` shows, finds, checks and writes the settings."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from llmwrap.config import Config

from .runner import Result, Runner


def config(cli: Runner, *argv: str, **environ: str) -> Result:
    return cli.run("config", *argv, environ=environ)


def rows(result: Result) -> list[dict[str, Any]]:
    document = json.loads(result.stdout)
    assert document["version"] == 1
    found: list[dict[str, Any]] = document["config"]
    return found


def mode(path: os.PathLike[str]) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


# show


def test_every_value_is_shown_with_its_origin(cli: Runner) -> None:
    file = cli.home.configure('[cache]\nttl = "2h"')

    result = config(cli, LLMWRAP_CACHE_MAX_MEMORY_ENTRIES="7")

    assert (result.status, result.stderr) == (0, "")
    lines = result.text.splitlines()
    assert f'cache.ttl = "2h"  # file {file}' in lines
    assert "cache.max_memory_entries = 7  # LLMWRAP_CACHE_MAX_MEMORY_ENTRIES" in lines
    assert "cache.enabled = true  # default" in lines


def test_what_is_shown_loads_to_the_same(cli: Runner) -> None:
    cli.home.configure('[cache]\nttl = "2h"')
    before = config(cli)
    copy = cli.home.path / "copy.toml"
    copy.write_bytes(before.stdout)

    after = cli.run("config", "show", "--config", str(copy))

    values = [line.partition("  # ")[0] for line in before.text.splitlines()]
    assert [line.partition("  # ")[0] for line in after.text.splitlines()] == values


def test_values_are_told_as_json(cli: Runner) -> None:
    cli.home.configure('[cache]\nttl = "2h"')

    found = {row["key"]: row for row in rows(config(cli, "show", "--json"))}

    assert found["cache.ttl"]["value"] == 7200
    assert found["cache.ttl"]["origin"] == f"file {cli.home.config_file}"


def test_secrets_are_masked(cli: Runner) -> None:
    cli.home.configure('[backends.ollama]\nproxy = "http://user:s3cret@proxy"')

    for argv in ([], ["--json"]):
        result = config(cli, "show", *argv, LLMWRAP_API_KEY="s3cret")
        assert result.status == 0
        assert "s3cret" not in result.text


def test_an_unusable_file_is_status_3_in_one_line(cli: Runner) -> None:
    cli.home.configure("[cache]\nttl = [")

    result = config(cli, "show")

    assert (result.status, result.stdout) == (3, b"")
    assert len(result.stderr.splitlines()) == 1


# path


@pytest.mark.parametrize("content", [None, "", "broken ["])
def test_the_path_is_printed_whatever_the_file_is(
    content: str | None, cli: Runner
) -> None:
    if content is not None:
        cli.home.configure(content)

    result = config(cli, "path")

    assert result == Result(0, f"{cli.home.config_file}\n".encode(), "")


def test_the_path_is_that_of_the_option_and_of_the_variable(cli: Runner) -> None:
    by_option = config(cli, "path", "--config", "x.toml")
    by_variable = config(cli, "path", LLMWRAP_CONFIG="/x/y.toml")

    assert by_option.text == f"{cli.home.path}/x.toml\n"
    assert by_variable.text == "/x/y.toml\n"


def test_the_path_is_told_as_json(cli: Runner) -> None:
    assert rows(config(cli, "path", "--json")) == [{"path": str(cli.home.config_file)}]


# validate


def test_a_valid_file_is_status_0(cli: Runner) -> None:
    file = cli.home.configure('[cache]\nttl = "2h"')

    result = config(cli, "validate")

    assert result == Result(0, b"", f"llmwrap: note: '{file}' is valid\n")
    assert config(cli, "validate", "-q").stderr == ""


def test_an_invalid_file_is_status_3_in_one_line(cli: Runner) -> None:
    file = cli.home.configure("[cache]\nttl = -1")

    result = config(cli, "validate")

    assert (result.status, result.stdout) == (3, b"")
    assert result.stderr.startswith(f"llmwrap: error: '{file}': bad value -1")
    assert len(result.stderr.splitlines()) == 1


def test_an_invalid_file_is_told_as_json(cli: Runner) -> None:
    cli.home.configure("[cahce]")

    document = json.loads(config(cli, "validate", "--json").stdout)

    assert document["error"]["kind"] == "config"


def test_a_log_that_cannot_be_written_does_not_make_it_invalid(cli: Runner) -> None:
    cli.home.configure('[logging]\noutput = "/nowhere/at/all"\nlevel = "debug"')

    assert config(cli, "validate").status == 0


def test_no_file_is_valid_too(cli: Runner) -> None:
    result = config(cli, "validate")

    assert result.status == 0
    assert "defaults are in force" in result.stderr


def test_a_named_file_must_be_there(cli: Runner) -> None:
    assert config(cli, "validate", "--config", "gone.toml").status == 3


def test_an_unknown_variable_is_a_warning(cli: Runner) -> None:
    result = config(cli, "validate", "--json", LLMWRAP_CASHE_TTL="1h")

    assert result.status == 0
    assert "llmwrap: warning: " in result.stderr
    assert "LLMWRAP_CASHE_TTL" in rows(result)[0]["warnings"][0]


# init


def test_a_first_file_is_written_for_its_owner_alone(cli: Runner) -> None:
    result = config(cli, "init")

    file = cli.home.config_file
    assert result == Result(0, b"", f"llmwrap: note: wrote '{file}'\n")
    assert mode(file) == 0o600
    assert mode(file.parent) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert Config.load(file, cli.home.environ) == Config.load(
        os.devnull, cli.home.environ
    )._replace(path=str(file))


def test_a_file_that_is_there_is_kept(cli: Runner) -> None:
    file = cli.home.configure("# mine")

    result = config(cli, "init")

    assert result.status == 2
    assert "--force" in result.stderr
    assert file.read_text() == "# mine"
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_force_replaces_it_even_when_it_is_broken(cli: Runner) -> None:
    file = cli.home.configure("broken [")
    file.chmod(0o644)

    result = config(cli, "init", "--force")

    assert result.status == 0
    assert mode(file) == 0o600
    assert config(cli, "validate").status == 0


def test_a_link_stays_a_link(cli: Runner) -> None:
    target = cli.home.path / "dotfiles.toml"
    target.write_text("# mine")
    cli.home.configure("").unlink()
    cli.home.config_file.symlink_to(target)

    refused = config(cli, "init")
    forced = config(cli, "init", "--force")

    assert (refused.status, forced.status) == (2, 0)
    assert cli.home.config_file.is_symlink()
    assert "[cache]" in target.read_text()


def test_it_is_written_where_the_option_says(cli: Runner) -> None:
    result = config(cli, "init", "--config", "here/x.toml", "--json")

    file = cli.home.path / "here" / "x.toml"
    assert rows(result) == [{"path": str(file)}]
    assert mode(file) == 0o600
    assert mode(file.parent) == 0o700


def test_a_place_that_cannot_be_written_is_status_12(cli: Runner) -> None:
    result = config(cli, "init", "--config", "/proc/llmwrap.toml")

    assert result.status == 12
    assert "cannot write '/proc/llmwrap.toml'" in result.stderr


@pytest.mark.parametrize("argv", [["bogus"], ["show", "x"], ["init", "x.toml"]])
def test_what_makes_no_sense_is_status_2(argv: list[str], cli: Runner) -> None:
    assert config(cli, *argv).status == 2


# get, set, edit

KEPT = """\
# mine
[cache]
ttl = "2h"  # long enough
enabled = true

# servers
[backends.box]
backend_type = "openai"
base_url = "http://127.0.0.1:1/v1"
"""


def test_a_value_is_told_as_it_would_be_set(cli: Runner) -> None:
    cli.home.configure(KEPT)

    for key, text in {
        "cache.ttl": "2h",
        "cache.enabled": "true",
        "cache.max_memory_entries": "1000",
        "ui.theme": "default",
        "ui.models": "[]",
        "backends.box.base_url": "http://127.0.0.1:1/v1",
    }.items():
        result = config(cli, "get", key)
        assert (result.status, result.text, result.stderr) == (0, f"{text}\n", "")
        assert config(cli, "set", key, text).status == 0


def test_a_value_is_set_and_the_rest_of_the_file_stays(cli: Runner) -> None:
    file = cli.home.configure(KEPT)

    assert config(cli, "set", "cache.ttl", "1h30m").status == 0
    assert config(cli, "set", "cache.max_memory_entries", "7").status == 0
    assert config(cli, "set", "ui.keys", '{"help": "f9"}').status == 0

    assert file.read_text() == (
        KEPT.replace('"2h"', '"1h30m"').replace(
            "[cache]\n", "[cache]\nmax_memory_entries = 7\n"
        )
        + '\n[ui]\nkeys = {help = "f9"}\n'
    )
    assert config(cli, "get", "cache.ttl").text == "90m\n"
    assert mode(file) == 0o600


def test_a_value_is_set_where_the_first_file_hides_its_default(cli: Runner) -> None:
    config(cli, "init")

    config(cli, "set", "cache.ttl", "2h")

    lines = cli.home.config_file.read_text().splitlines()
    assert lines[lines.index('#ttl = "1h"') + 1] == 'ttl = "2h"'


def test_a_value_may_be_set_before_there_is_a_file(cli: Runner) -> None:
    result = config(cli, "set", "backends.ollama.base_url", "http://127.0.0.1:2")

    assert (result.status, result.stdout) == (0, b"")
    loaded = Config.load(environ=cli.home.environ)
    assert loaded.backends["ollama"].base_url == "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("cache.tll", "1h", "did you mean 'ttl'?"),
        ("chache.ttl", "1h", "unknown key 'chache.ttl'"),
        ("ttl", "1h", "did you mean 'cache.ttl'?"),
        ("cache.ttl", "soon", "bad value 'soon' for 'cache.ttl'"),
        ("ui.theme", "dakr", "did you mean 'dark'?"),
        ("ui.keys", '{"hepl": "f9"}', "did you mean 'help'?"),
        ("backends.box.backend_type", "Olama", "did you mean 'ollama'?"),
        ("defaults.options", '{"n": 2}', "room for one"),
        ("defaults.system", "@gone.txt", "gone.txt"),
    ],
)
def test_what_a_command_would_refuse_is_not_set(
    cli: Runner, key: str, value: str, problem: str
) -> None:
    file = cli.home.configure(KEPT)

    result = config(cli, "set", key, value)

    assert result.status == 3
    assert problem in result.stderr
    assert file.read_text() == KEPT


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("cache", "1", "its keys are enabled, "),
        ("backends", "x", "its keys are backends.NAME.backend_type, "),
        ("backends.box", "x", "its keys are backend_type, base_url, "),
        ("aliases", "x", "aliases.NAME = MODEL"),
        ("defaults.options.seed", "1", "'defaults.options' is one value"),
        ("cache.ttl.x", "1", "'cache.ttl' is one value"),
        ("backends.box.headers.X-A", "1", "'backends.box.headers' is one value"),
        ("nothing.at.all", "1", "known are defaults, "),
    ],
)
def test_a_name_that_is_no_setting_says_what_it_is(
    cli: Runner, key: str, value: str, hint: str
) -> None:
    cli.home.configure(KEPT)

    for argv in (("get", key), ("set", key, value)):
        result = config(cli, *argv)
        assert (result.status, result.stdout) == (3, b"")
        assert hint in result.stderr


ALIASED = """[aliases]
fast = "m:1b"  # the small one

[aliases.deep]
model = "m:70b"
"""


@pytest.mark.parametrize(
    ("key", "value", "model"),
    [
        ("aliases.fast", "n:2b", "n:2b"),
        ("aliases.fast.model", "n:2b", "n:2b"),
        ("aliases.deep", "n:2b", "n:2b"),
        ("aliases.new", "n:2b", "n:2b"),
        ("aliases.new.model", "n:2b", "n:2b"),
        ("aliases.qwen2.5", "n:2b", "n:2b"),
        ('aliases."a:b"', "n:2b", "n:2b"),
        ("aliases.fast.system", "Be brief.", "m:1b"),
    ],
)
@pytest.mark.parametrize("text", ["", ALIASED, "[aliases]\nfast = 'm:1b'\n"])
def test_an_alias_is_set_and_told_by_its_name(
    cli: Runner, text: str, key: str, value: str, model: str
) -> None:
    file = cli.home.configure(text)
    if key == "aliases.fast.system" and not text:
        return  # an alias without a model is none

    result = config(cli, "set", key, value)

    assert (result.status, result.stdout) == (0, b"")
    assert config(cli, "get", key).text == f"{value}\n"
    name = key.removesuffix(".model").removesuffix(".system")
    assert config(cli, "get", name).text == f"{model}\n"
    assert "the small one" not in text or "the small one" in file.read_text()


def test_an_alias_is_written_as_people_write_it(cli: Runner) -> None:
    file = cli.home.configure("# mine\n")

    config(cli, "set", "aliases.fast", "m:1b")
    config(cli, "set", "aliases.qwen2.5", "m:2b")

    assert file.read_text() == (
        '# mine\n\n[aliases]\n"qwen2.5" = "m:2b"\nfast = "m:1b"\n'
    )


def test_a_backend_without_an_address_of_its_own_is_set_key_by_key(cli: Runner) -> None:
    first = config(cli, "set", "backends.box.backend_type", "openai")
    second = config(cli, "set", "backends.box.base_url", "http://127.0.0.1:1/v1")

    assert (first.status, second.status) == (0, 0)
    assert "warning: backend 'box' has no address" in first.stderr
    assert "warning" not in second.stderr
    assert config(cli, "validate").status == 0


@pytest.mark.parametrize("value", ["-1", "-1h", "-.5"])
def test_a_negative_number_is_a_value_and_no_option(cli: Runner, value: str) -> None:
    result = config(cli, "set", "cache.max_memory_entries", value)

    assert result.status == 3
    assert f"bad value '{value}' for 'cache.max_memory_entries'" in result.stderr


def test_an_empty_value_is_judged_as_a_value(cli: Runner) -> None:
    model = config(cli, "set", "defaults.model", "")
    system = config(cli, "set", "defaults.system", "")

    assert (model.status, system.status) == (3, 0)
    assert "bad value '' for 'defaults.model'" in model.stderr


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('[ui]\ntheme = "dakr"', "'ui.theme'; did you mean 'dark'?"),
        ('[ui]\nkeys = {hepl = "f9"}', "did you mean 'help'?"),
        ('[ui]\nkeys = {help = "f77"}', "bad value 'f77' for 'ui.keys'"),
        ('[backends.box]\nbackend_type = "olama"', "did you mean 'ollama'?"),
        ('[backends.x]\nbackend_type = "openai"', "address"),
        ('[backends.ollama]\napi_key_file = "gone"', "gone"),
        ("[defaults]\noptions = {max_tokens = 0}", "0 tokens"),
        ('[defaults]\nbackend = "openai"', "backend 'openai' has no address"),
        ('[aliases.a]\nmodel = "m"\noptions = {n = 2}', "[aliases] a options: 'n=2'"),
        ('[aliases.a]\nmodel = "m"\nsystem = "@gone"', "gone"),
    ],
)
def test_validate_refuses_what_a_command_would_refuse(
    cli: Runner, toml: str, problem: str
) -> None:
    cli.home.configure(toml)

    result = config(cli, "validate")

    assert result.status == 3
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("LLMWRAP_BACKEND", "olama", "did you mean 'ollama'?"),
        ("LLMWRAP_BACKEND", "openai", "backend 'openai' has no address"),
        ("OLLAMA_HOST", "ftp://127.0.0.1", "'OLLAMA_HOST': bad value"),
    ],
)
def test_validate_refuses_what_variables_choose(
    cli: Runner, variable: str, value: str, problem: str
) -> None:
    result = config(cli, "validate", **{variable: value})

    assert result.status == cli.run("ask", "-n", "x", environ={variable: value}).status
    assert (result.status, problem in result.stderr) == (3, True)


def editor(cli: Runner, script: str) -> dict[str, str]:
    path = cli.home.path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"VISUAL": str(path)}


def test_the_file_is_edited_and_checked(cli: Runner) -> None:
    file = cli.home.configure(KEPT)

    result = config(cli, "edit", **editor(cli, "sed -i s/2h/3h/ $1"))

    assert result.status == 0
    assert file.read_text() == KEPT.replace("2h", "3h")


def test_a_text_that_is_unusable_is_kept_beside_the_file(cli: Runner) -> None:
    file = cli.home.configure(KEPT)

    result = config(cli, "edit", **editor(cli, "sed -i s/2h/soon/ $1"))

    assert result.status == 3
    assert "bad value 'soon'" in result.stderr
    assert file.read_text() == KEPT
    assert "soon" in file.with_name(".config.toml.draft").read_text()
    assert config(cli, "edit", **editor(cli, "sed -i s/soon/3h/ $1")).status == 0
    assert "3h" in file.read_text()


def test_an_editor_that_removes_the_draft_changes_nothing(cli: Runner) -> None:
    file = cli.home.configure(KEPT)

    result = config(cli, "edit", **editor(cli, 'rm "$1"'))

    assert result.status == 3
    assert "removed the draft" in result.stderr
    assert file.read_text() == KEPT


def test_a_broken_file_can_be_edited(cli: Runner) -> None:
    file = cli.home.configure("[cache\n")

    assert config(cli, "edit", **editor(cli, "echo '[cache]' >$1")).status == 0
    assert file.read_text() == "[cache]\n"
