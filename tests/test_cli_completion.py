"""Command lines are completed in bash, zsh and fish, by those shells themselves."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmwrap.cli.commands import load_command, parsers_of
from llmwrap.cli.complete import bash_words
from llmwrap.cli.words import BUILT, HELP

from .fakeserver import FakeServer
from .runner import ROOT, Home, Runner
from .shellterminal import ShellTerminal
from .shims import Shims

PROGRAMS = ("llmwrap", "llm-wrapper", "llmwrap-loadtest", "load_test")
SHELLS = ("bash", "zsh", "fish")
MODELS = ("llama3:8b", "llama3:70b", "qwen/x:1")
CONVERSATIONS = ("20260102-030405-bcdf", "20260807-060504-fdcb")
PROMPT = "READY> "
DONE = "<done>"

# A program that keeps what it was called with, but for the names, which it forks.
SPY = f"""#!/bin/sh
case " $* " in
    " __complete "*) exec "$HOME/llmwrap" "$@" ;;
esac
printf '%s\\n' "$@" >"$HOME/argv"
printf '{DONE}'
"""

# The program, started the first time and forked from then on.
FIRST_STARTED = f"""#!/bin/sh
[ -e "$HOME/started" ] && exec "$HOME/forked" "$@"
touch "$HOME/started"
exec {shlex.quote(sys.executable)} -m llmwrap "$@"
"""

# How each shell is started for a person, with the script {script}.
STARTS: dict[str, tuple[list[str], str]] = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "PS1=RE''ADY'> '; source {script}\n",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PROMPT=RE''ADY'> '; autoload -Uz compinit; compinit -u -D; source {script}\n",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "source {script}; function fish_prompt; echo -n RE'ADY> '; end\n",
    ),
}

# What is typed before Tab, and what the program is called with then.
LINES = {
    "llmwrap conf": ["config"],
    "llmwrap -q docto": ["-q", "doctor"],
    "llmwrap models wa": ["models", "warm"],
    "llmwrap enhanced models pul": ["enhanced", "models", "pull"],
    "llmwrap ask --no-stre": ["ask", "--no-stream"],
    "llmwrap --color=alw": ["--color=always"],
    "llmwrap --format eve": ["--format", "events"],
    "llmwrap -b lmst": ["-b", "lmstudio"],
    "llmwrap -m llama3:8": ["-m", "llama3:8b"],
    "llmwrap --model=llama3:8": ["--model=llama3:8b"],
    "llmwrap models show llama3:7": ["models", "show", "llama3:70b"],
    "llm-wrapper -qm qw": ["-qm", "qwen/x:1"],
    "llmwrap --conversation 202608": ["--conversation", CONVERSATIONS[1]],
    "llmwrap history show 202601": ["history", "show", CONVERSATIONS[0]],
    "llmwrap -b ollama -t commi": ["-b", "ollama", "-t", "commit_message"],
    "llmwrap chat-template gree": ["chat-template", "greeting"],
    "llmwrap template show gree": ["template", "show", "greeting"],
    "llmwrap template import the\\ ans": ["template", "import", "the answer: 42.txt"],
    "load_test --concurr": ["--concurrency"],
    "llmwrap-loadtest -m llama3:8": ["-m", "llama3:8b"],
    "llmwrap --output=the\\ ans": ["--output=the answer: 42.txt"],
    "llmwrap -O the\\ ans": ["-O", "the answer: 42.txt"],
}

# What bash offers; only the part behind the last colon or equals sign is replaced.
OFFERS = {
    "llmwrap ": sorted({*BUILT, HELP}),
    "llmwrap mo": ["models"],
    "load_test mo": [],
    "load_test --arrival ": ["poisson", "constant"],
    "llmwrap what is mo": [],
    "llmwrap -- mo": [],
    "llmwrap --no-s": ["--no-stdin", "--no-stream"],
    "llmwrap models --sh": ["--sha256"],
    "llmwrap models show --sh": [],
    "llmwrap history prune --k": ["--keep"],
    "llmwrap help hist": ["history"],
    "llmwrap models ": list(BUILT["models"]),
    "llmwrap models list ": [],
    "llmwrap history ": list(BUILT["history"]),
    "llmwrap history delete ": [*CONVERSATIONS],
    "llmwrap history search ": [],
    "llmwrap -b lmstudio --conversation ": [*CONVERSATIONS],
    "llmwrap --conversation=202608": [CONVERSATIONS[1]],
    "llmwrap completion ": ["bash", "zsh", "fish"],
    "llmwrap -m ": [*MODELS],
    "llmwrap -m llama3:": ["8b", "70b"],
    "llmwrap -m llama3:7": ["70b"],
    "llmwrap -mq": [],
    "llmwrap --model=": [*MODELS],
    "llmwrap --model=llama3:": ["8b", "70b"],
    "llmwrap models warm q": ["qwen/x:1"],
    "llmwrap models warm qwen/x:1 ": [],
    "llmwrap -b ": ["ollama", "lmstudio", "openai", "embedded"],
    "llmwrap --color ": ["auto", "always", "never"],
    "llmwrap --color=": ["auto", "always", "never"],
    "llmwrap --timeout ": [],
    "llmwrap -qb oll": ["ollama"],
    "llmwrap -t com": ["commit_message"],
    "llmwrap -b ollama --template=gree": ["greeting"],
    "llmwrap chat-template gree": ["greeting"],
    "llmwrap chat-template greeting ": [],
    "llmwrap template sh": ["show"],
    "llmwrap template show gree": ["greeting"],
    "llmwrap template create gree": [],
    "llmwrap -b openai -m ": [],
    "llmwrap -b ollama -m l": ["llama3:8b", "llama3:70b"],
    "llmwrap --backend=openai -m ": [],
}

OFFERING = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
shift 2
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_llmwrap "$1" "${COMP_WORDS[COMP_CWORD]}" ''
printf '%s\n' "${COMPREPLY[@]}"
"""

needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is missing")
needs_fish = pytest.mark.skipif(not shutil.which("fish"), reason="fish is missing")


@pytest.fixture
def spied(cli: Runner, tmp_path: Path, programs: Shims) -> dict[str, str]:
    """Give an environment in which the program can be found, and keeps its argv."""
    programs.make(cli.home.path / "llmwrap")
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in PROGRAMS:
        (directory / name).write_text(SPY)
        (directory / name).chmod(0o755)
    history = cli.home.path / "state" / "llmwrap" / "history"
    history.mkdir(parents=True)
    for age, name in enumerate(CONVERSATIONS):  # the one used last comes first
        (history / name).touch()
        os.utime(history / name, (10**9 - age, 10**9 - age))
    path = f"{directory}:{cli.home.environ['PATH']}"
    return cli.environ({"PATH": path, "PYTHONPATH": str(ROOT), "INPUTRC": "/dev/null"})


@pytest.fixture
def models(spied: dict[str, str]) -> Iterator[FakeServer]:
    """Give a server whose names have colons and slashes, known to `spied`."""
    with FakeServer(models=MODELS) as server:
        spied["OLLAMA_HOST"] = server.url
        yield server


@pytest.fixture
def script(cli: Runner, tmp_path: Path) -> Callable[[str], Path]:
    """Give what writes the script of a shell to a file."""

    def written(shell: str) -> Path:
        result = cli.run("completion", shell)
        assert (result.status, result.stderr) == (0, "")
        path = tmp_path / f"completion.{shell}"
        path.write_bytes(result.stdout)
        return path

    return written


def comp_words(line: str) -> list[str]:
    """Return COMP_WORDS of a line as bash makes them."""
    words = re.findall(r"[^\s:=]+|[:=]+", line)
    return [*words, ""] if line.endswith(" ") else words


def offers(script: Path, line: str, environ: dict[str, str]) -> list[str]:
    """Return what the script for bash offers at the end of a line."""
    done = subprocess.run(
        ["bash", "-c", OFFERING, "bash", str(script), line, *comp_words(line)],
        env=environ,
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_finds_no_fault_in_its_script(
    shell: str, script: Callable[[str], Path]
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")

    done = subprocess.run(
        [shell, "-n", str(script(shell))], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", sorted(BUILT))
def test_every_option_of_a_command_is_offered_but_hidden_ones(
    command: str, cli: Runner
) -> None:
    result = cli.run("__complete", "fish", "llmwrap", command, "-")

    parsers = parsers_of(load_command(command))
    actions = [action for parser in parsers for action in parser._actions]
    shown = [a for a in actions if a.help != argparse.SUPPRESS]
    words = {line.partition("\t")[0] for line in result.text.splitlines()}
    assert words == {name for action in shown for name in action.option_strings}


def test_a_word_is_offered_with_what_it_means(cli: Runner) -> None:
    result = cli.run("__complete", "zsh", "llmwrap", "doc")

    assert result.text.startswith("doctor\t")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("llmwrap -m a:b=c", ["llmwrap", "-m", "a:b=c"]),
        ("llmwrap the\\ ans", ["llmwrap", "the ans"]),
        ('llmwrap \'a "b\' "c \'d\\"" e', ["llmwrap", 'a "b', "c 'd\"", "e"]),
        ("llmwrap 'open it", ["llmwrap", "open it"]),
        ("llmwrap ", ["llmwrap", ""]),
        ("llmwrap ends\\", ["llmwrap", "ends"]),
    ],
)
def test_a_line_of_bash_is_parted_as_bash_does(line: str, words: list[str]) -> None:
    assert bash_words(line) == words


@pytest.mark.parametrize("argv", [[], ["tcsh"], ["bash", "zsh"], ["bash", "--json"]])
def test_what_is_no_shell_is_status_2(argv: list[str], cli: Runner) -> None:
    result = cli.run("completion", *argv)

    assert (result.status, result.stdout) == (2, b"")


def test_a_broken_configuration_does_not_matter(cli: Runner) -> None:
    cli.home.configure("broken [")

    assert cli.run("completion", "bash").status == 0


@needs_bash
@pytest.mark.parametrize("line", OFFERS)
def test_bash_is_offered_what_may_stand_there(
    line: str,
    script: Callable[[str], Path],
    spied: dict[str, str],
    models: FakeServer,
) -> None:
    assert offers(script("bash"), line, spied) == OFFERS[line]


@needs_bash
def test_bash_is_offered_files(
    script: Callable[[str], Path], spied: dict[str, str], home: Home
) -> None:
    (home.path / "one.toml").touch()
    (home.path / "model.gguf").touch()

    assert offers(script("bash"), "llmwrap --config o", spied) == ["one.toml"]
    assert offers(script("bash"), "llmwrap -m ./mod", spied) == ["./model.gguf"]


@needs_bash
def test_bash_is_offered_whole_words_where_colons_do_not_part_them(
    script: Callable[[str], Path], spied: dict[str, str], models: FakeServer
) -> None:
    path = script("bash")
    path.write_text("COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n" + path.read_text())

    assert offers(path, "llmwrap -m llama3:7", spied) == ["llama3:70b"]


@needs_bash
def test_bash_never_runs_what_a_name_says(
    script: Callable[[str], Path], spied: dict[str, str], home: Home, tmp_path: Path
) -> None:
    hostile = "$(touch pwned)\n`touch pwned`\nx;touch${IFS}pwned\n*\n"
    program = tmp_path / "bin" / "llmwrap"
    program.write_text(f"#!/bin/sh\ncat <<'EOF'\n{hostile}EOF\n")

    offers(script("bash"), "llmwrap -m ", spied)

    assert not (home.path / "pwned").exists()


@needs_bash
def test_a_name_that_could_do_harm_is_not_offered(
    script: Callable[[str], Path], spied: dict[str, str]
) -> None:
    with FakeServer(models=("x;reboot", "fine")) as server:
        environ = spied | {"OLLAMA_HOST": server.url}
        assert offers(script("bash"), "llmwrap -m ", environ) == ["fine"]


@needs_fish
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("llmwrap ", {*BUILT, HELP}),
        ("llmwrap -t com", {"commit_message"}),
        ("llmwrap chat-template gree", {"greeting"}),
        ("llmwrap chat-template greeting ", set()),
        ("llmwrap -b ollama template show gree", {"greeting"}),
        ("llmwrap hello ", set()),
        ("llmwrap models ", {"list", "show", "pull", "install", "warm", "rm"}),
        ("llmwrap -m ", set(MODELS)),
        ("llmwrap --conversation ", set(CONVERSATIONS)),
        ("llmwrap history show 202608", {CONVERSATIONS[1]}),
        ("llmwrap -m llama3:", {"llama3:8b", "llama3:70b"}),
        ("llmwrap models warm l", {"llama3:8b", "llama3:70b"}),
        ("llmwrap models list ", set()),
        ("llmwrap -b openai -m ", set()),
        ("llmwrap -qb ", {"ollama", "lmstudio", "openai", "embedded"}),
        ("llmwrap --color ", {"auto", "always", "never"}),
        ("llmwrap config --fo", {"--force"}),
    ],
)
def test_fish_is_offered_what_may_stand_there(
    line: str,
    expected: set[str],
    script: Callable[[str], Path],
    spied: dict[str, str],
    models: FakeServer,
) -> None:
    program = 'source $argv[1]; complete -C "$argv[2]"'

    done = subprocess.run(
        ["fish", "--no-config", "-c", program, str(script("fish")), line],
        env=spied,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    offered = {found.partition("\t")[0] for found in done.stdout.splitlines()}
    assert offered == expected


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_what_was_typed(
    shell: str,
    script: Callable[[str], Path],
    spied: dict[str, str],
    home: Home,
    models: FakeServer,
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")
    (home.path / "the answer: 42.txt").touch()
    program = home.path / "llmwrap"
    program.rename(home.path / "forked")
    program.write_text(FIRST_STARTED)
    program.chmod(0o755)
    start, prepare = STARTS[shell]
    called = {}

    with ShellTerminal(start, spied) as terminal:
        terminal.type(prepare.format(script=script(shell)))
        for line in LINES:
            terminal.wait_for(PROMPT)
            terminal.type(f"{line}\t\r")
            terminal.wait_for(DONE)
            called[line] = (home.path / "argv").read_text().splitlines()

    assert called == LINES
    assert (home.path / "started").exists()
