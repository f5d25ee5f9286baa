"""`[aliases]`: other names of models, and what goes with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llmwrap import Config, LLMWrapper
from llmwrap.config import AliasConfig
from llmwrap.engine.choice import Choice
from llmwrap.engine.selection import Selector
from llmwrap.errors import ConfigError

from .asking import body, chats, error, lines
from .fakeserver import FakeServer
from .runner import Home, Runner

TWO = """
[backends.one]
backend_type = "Ollama"
base_url = "http://127.0.0.1:1"
[backends.two]
backend_type = "OpenAI"
base_url = "http://127.0.0.1:2/v1"
"""


def load(tmp_path: Path, text: str) -> Config:
    (tmp_path / "c.toml").write_text(text)
    return Config.load(tmp_path / "c.toml", {})


def selected(config: Config, **choice: str) -> tuple[str | None, str | None]:
    found = Selector(config, Choice(**choice), {}).selection()  # type: ignore[arg-type]
    return found.backend and found.backend.name, found.model


def test_both_forms_are_read(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[aliases]\nfast = "qwen3:4b"\n"gpt-4.1" = "b/m"\n'
        '[aliases.careful]\nmodel = "big"\noptions = {temperature = 0}\nsystem = "S"',
    )

    assert list(config.aliases.values()) == [
        AliasConfig("fast", "qwen3:4b", {}, None),
        AliasConfig("gpt-4.1", "b/m", {}, None),
        AliasConfig("careful", "big", {"temperature": 0}, "S"),
    ]


def test_variables_name_them_too() -> None:
    environ = {
        "LLMWRAP_ALIASES_FAST": "small",
        "LLMWRAP_ALIASES_CAREFUL_MODEL": "big",
        "LLMWRAP_ALIASES_CAREFUL_OPTIONS": '{"seed": 1}',
    }

    aliases = Config.load(os.devnull, environ).aliases

    assert aliases["fast"].model == "small"
    assert aliases["careful"][1:3] == ("big", {"seed": 1})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('a = "b"\nb = "c"', "bad value 'b' for 'aliases.a.model'; an alias is no"),
        ("a = {options = {}}", "'aliases.a.model' is missing"),
        ('a = {model = "x", modle = 1}', "did you mean 'model'?"),
        ("a = 1", "'aliases.a.model'"),
        ('"a/b" = "c"', "of an alias; use letters, digits, '.', ':', '-' and '_'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"[aliases]\n{text}")

    assert why in str(caught.value)


def test_an_alias_may_be_called_as_its_model(tmp_path: Path) -> None:
    config = load(tmp_path, '[aliases]\nx = {model = "x", options = {seed = 1}}')

    assert config.aliases["x"].model == "x"


@pytest.mark.parametrize(
    ("head", "choice", "found"),
    [
        ("", {"model": "fast"}, ("one", "small")),
        ("", {"model": "far"}, ("two", "big")),
        ("", {"model": "far", "backend": "one"}, ("one", "two/big")),
        ("", {"model": "other"}, ("one", "other")),
        ('[defaults]\nmodel = "fast"', {}, ("one", "small")),
        ('[defaults]\nmodel = "far"', {}, ("two", "big")),
        ('[defaults]\nmodel = "far"', {"backend": "two"}, ("two", None)),
        ('[defaults]\nmodel = "far"', {"model": "x"}, ("one", "x")),
    ],
)
def test_it_leads_to_a_model_wherever_one_is_named(
    tmp_path: Path,
    head: str,
    choice: dict[str, str],
    found: tuple[str | None, str | None],
) -> None:
    aliases = '[aliases]\nfast = "small"\nfar = "two/big"\n'

    assert selected(load(tmp_path, f"{head}\n{aliases}{TWO}"), **choice) == found


@pytest.fixture
def aliased(home: Home, server: FakeServer) -> FakeServer:
    """Give a server for whose models there are aliases."""
    home.configure(
        f'[defaults]\nsystem = "D"\noptions = {{top_k = 1, seed = 1, num_ctx = 64}}\n'
        '[aliases]\nfast = "beta:7b"\n'
        '[aliases.careful]\nmodel = "alpha:latest"\nsystem = "A"\n'
        "options = {temperature = 0, seed = 2, num_ctx = 128}\n"
        f'[backends.ollama]\nbase_url = "{server.url}"\n'
    )
    return server


def test_its_options_and_system_prompt_stand_between_file_and_words(
    cli: Runner, aliased: FakeServer
) -> None:
    cli.run("-m", "careful", "-n", "--seed", "3", "Hello")

    asked = body(aliased)
    assert asked["model"] == "alpha:latest"
    assert asked["options"] == {
        "top_k": 1,
        "temperature": 0,
        "seed": 3,
        "num_ctx": 128,
    }
    assert asked["messages"][0] == {"role": "system", "content": "A"}


def test_its_system_prompt_gives_way_to_that_of_the_command_line(
    cli: Runner, aliased: FakeServer
) -> None:
    cli.run("-m", "careful", "-n", "-s", "S", "Hello")

    assert body(aliased)["messages"][0]["content"] == "S"


def test_its_system_prompt_may_be_a_file_beside_the_configuration(
    cli: Runner, aliased: FakeServer, home: Home
) -> None:
    home.configure(home.config_file.read_text().replace('"A"', '"@a.txt"'))
    (home.config_file.parent / "a.txt").write_text("From the file.\n")

    cli.run("-m", "careful", "-n", "Hello")

    assert body(aliased)["messages"][0]["content"] == "From the file."


def test_a_variable_may_name_it(cli: Runner, aliased: FakeServer) -> None:
    cli.run("-n", "Hello", environ={"LLMWRAP_MODEL": "careful"})

    assert body(aliased)["messages"][0]["content"] == "A"


def test_renaming_it_loses_no_cached_answer(
    cli: Runner, aliased: FakeServer, home: Home
) -> None:
    cli.run("-m", "fast", "-n", "Hello")
    text = home.config_file.read_text()
    home.configure(text.replace("fast =", "quick ="))

    again = cli.run("-m", "quick", "-n", "--cache-only", "Hello")

    assert (again.status, len(chats(aliased))) == (0, 1)


@pytest.mark.parametrize("verb", [["show"], ["warm"]])
def test_other_commands_take_it(
    cli: Runner, aliased: FakeServer, verb: list[str]
) -> None:
    result = cli.run("models", *verb, "fast", "--json")

    assert json.loads(result.stdout)["models"][0]["name"] == "beta:7b"


def test_a_chat_takes_it(cli: Runner, aliased: FakeServer) -> None:
    cli.run("chat", "-m", "careful", stdin=b"Hello\n")

    assert body(aliased)["options"]["temperature"] == 0
    assert body(aliased)["messages"][0]["content"] == "A"


def test_the_library_takes_it(aliased: FakeServer, home: Home) -> None:
    with LLMWrapper(Config.load(home.config_file, home.environ)) as wrapper:
        wrapper.chat("Hello", "careful")

    assert body(aliased)["options"]["seed"] == 2
    assert body(aliased)["messages"][0]["content"] == "A"


def test_they_are_listed_among_the_models(cli: Runner, aliased: FakeServer) -> None:
    table = cli.run("models").text
    document = json.loads(cli.run("models", "--json").stdout)

    assert "careful       alias of alpha:latest" in table
    assert document["aliases"] == [
        {"name": "fast", "model": "beta:7b", "options": {}, "system": None},
        {
            "name": "careful",
            "model": "alpha:latest",
            "options": {"temperature": 0, "seed": 2, "num_ctx": 128},
            "system": "A",
        },
    ]


def test_one_that_hides_a_model_is_told(
    cli: Runner, aliased: FakeServer, home: Home
) -> None:
    home.configure(home.config_file.read_text().replace("fast =", "alpha ="))

    result = cli.run("models")

    assert lines(result, "note") == ["the alias 'alpha' hides a model of ollama"]
    assert "the alias 'alpha' hides a model of ollama" in cli.run("doctor").text


def test_config_show_writes_what_loads_again(
    cli: Runner, aliased: FakeServer, home: Home, tmp_path: Path
) -> None:
    home.configure(home.config_file.read_text().replace("fast =", '"be.ta:7b" ='))

    shown = cli.run("config", "show").text

    (tmp_path / "c.toml").write_text(shown)
    again = Config.load(tmp_path / "c.toml", {})
    assert again.aliases == Config.load(home.config_file, {}).aliases


def test_a_chain_is_told_by_every_command(cli: Runner, home: Home) -> None:
    home.configure('[aliases]\na = "b"\nb = "c"\n')

    result = cli.run("config", "validate")

    assert result.status == 3
    assert "aliases.a.model" in error(result)
