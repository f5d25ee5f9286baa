"""Make the manual: llmwrap(1), a page for each command, llmwrap.toml(5).

Options come from the parsers (through argparse-manpage), exit statuses from
`llmwrap.errors`, settings from `llmwrap.config`; the rest stands in `NAME.man` beside
this file. Shared by setup.py (pages for the wheel), `make man`, and the tests that
keep the pages in step.

A `.man` file holds sections as man(7) has them, with two differences: text between
`.EX` and `.EE` is what one types, escaped here, and `@COMMANDS@`, `@STATUSES@` and
`@SETTINGS@` stand for generated lists. `.SH SYNOPSIS` replaces the generated one;
any other section follows what is generated for it.

    python -m man.pages [DIRECTORY]
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from argparse_manpage.manpage import Manpage

from llmwrap import __version__
from llmwrap.cli.commands import load_command, parser_of
from llmwrap.cli.parser import Command, Parser, Verb, add_common, new_parser
from llmwrap.cli.words import BUILT
from llmwrap.config.show import SECTION_DOCS, Reference, reference
from llmwrap.errors import LLMWrapError

SECTIONS = (
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "EXAMPLES",
    "SEE ALSO",
)
"""The sections of every page, in this order."""

ALIASES = {"llm-wrapper.1": "llmwrap.1", "load_test.1": "llmwrap-loadtest.1"}
"""Pages under another name as well: whole, as mandoc takes a `.so` for fragile."""

PROGRAM = "llmwrap"
OTHER_NAMES = ("llm-wrapper",)
SETTINGS = "llmwrap.toml"
_SOURCE = Path(__file__).parent
_MANUAL = "llmwrap manual"
_SIGNALLED = 128
_ENDING_SIGNALS = ("SIGHUP", "SIGINT", "SIGPIPE", "SIGTERM")
_SUMMARY = "local language models in pipelines, cron jobs and terminal chats"

# What cannot be copied from a page as it was written, else: groff sets typographic
# quotes, hyphens and accents for these.
_TYPED = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga"}
_TYPED |= {"^": "\\(ha", "~": "\\(ti"}


def page_names() -> list[str]:
    """Return the names of all pages with their sections: `llmwrap-ask.1`."""
    commands = [f"{PROGRAM}-{name}.1" for name in sorted(BUILT)]
    return [f"{PROGRAM}.1", *commands, f"{SETTINGS}.5"]


def page(name: str) -> str:
    """Return the page of that name as man(7) source."""
    if name == f"{PROGRAM}.1":
        return _program_page()
    if name == f"{SETTINGS}.5":
        return _settings_page()
    return _command_page(name.removeprefix(f"{PROGRAM}-").removesuffix(".1"))


def write_pages(directory: Path) -> list[Path]:
    """Write every page to `man1` or `man5` of a directory and return their paths."""
    paths = []
    for name in page_names():
        path = directory / f"man{name[-1]}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(name), encoding="utf-8")
        paths.append(path)
    for name, other in ALIASES.items():
        path = directory / f"man{name[-1]}" / name
        path.write_text(page(other), encoding="utf-8")
        paths.append(path)
    return paths


def _program_page() -> str:
    parser = new_parser(Command(name="[COMMAND]", summary="", operands="[OPERAND...]"))
    add_common(parser)
    sections = _generated(parser, PROGRAM, _SUMMARY)
    names = _escaped(", ".join((PROGRAM, *OTHER_NAMES)))
    sections["NAME"] = f"{names} \\- {_SUMMARY}"
    return _assembled(f"{PROGRAM}.1", sections)


def _command_page(command: str) -> str:
    module = load_command(command)
    words, name = module.COMMAND, f"{PROGRAM}-{command}"
    # apropos finds what stands in this line.
    summary = ": ".join([_lowered(words.short), ", ".join(words.verb_names)])
    sections = _generated(parser_of(module), name, summary.removesuffix(": "))
    by_text: dict[str, list[str]] = {}
    for verb in words.verbs:
        if verb.add_arguments:
            by_text.setdefault(_own_options(verb), []).append(verb.name)
    for text, names in by_text.items():
        sections["OPTIONS"] += f"\n.SS Options of {', '.join(names)}\n{text}"
    if words.verbs:
        lines = [f".B {_escaped(usage)}" for usage in words.usage().split("\n")]
        sections["SYNOPSIS"] = "\n.br\n".join(lines)
    return _assembled(f"{name}.1", sections)


def _own_options(verb: Verb) -> str:
    parser = Parser(prog=PROGRAM, usage=PROGRAM, add_help=False)
    if verb.add_arguments:
        verb.add_arguments(parser)
    lines = _generated(parser, PROGRAM, "")["OPTIONS"].split("\n")
    return "\n".join(line for line in lines if line and not line.startswith(".SS "))


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _settings_page() -> str:
    parser = Parser(prog=SETTINGS, usage=SETTINGS, add_help=False)
    sections = _generated(parser, SETTINGS, "settings of llmwrap", section=5)
    return _assembled(f"{SETTINGS}.5", sections)


def _generated(
    parser: argparse.ArgumentParser, name: str, summary: str, section: int = 1
) -> dict[str, str]:
    """Return the sections that argparse-manpage makes; "" is the heading line.

    The parser is changed and good for nothing else afterwards.
    """
    # A page's title may not hold blanks (argparse-manpage does not quote it).
    parser.prog = name
    # Its text is wrapped below: a line that happened to begin with a quote after
    # argparse's own wrapping would be a command to roff.
    parser.formatter_class = _WideFormatter
    titles = set()
    for group in parser._action_groups:  # noqa: SLF001  there is no other way to them
        titles.add((group.title or "").upper())
        for action in group._group_actions:  # noqa: SLF001
            if "--help" in action.option_strings:
                # argparse-manpage leaves an option of this very name out.
                action.option_strings = [", ".join(action.option_strings)]
    manpage = Manpage(parser)
    manpage.section = section
    manpage.source = f"{PROGRAM} {__version__}"
    manpage.manual = _MANUAL
    manpage.description = summary
    sections = _sections("\n".join(_filled(str(manpage))))
    options = [
        text if title == "OPTIONS" else f".SS {title.capitalize()}\n{text}"
        for title, text in sections.items()
        if title in titles
    ]
    sections["OPTIONS"] = "\n".join(options)
    return sections


class _WideFormatter(argparse.HelpFormatter):
    """A formatter that wraps nothing."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100_000)


def _filled(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(".TH "):
            yield line.replace("\\-", "-")  # mandoc cannot read an escaped date
        elif line.startswith("\\fB\\-"):
            # A value that may be left out stands in the same word.
            yield line.replace(r"\fR \fI\,[", r"\fR\fI\,[=")
        elif line.startswith("."):
            yield line
        elif line:
            for part in textwrap.wrap(line, 78, break_on_hyphens=False):
                yield "\\&" + part if part[0] in ".'" else part


def _sections(text: str) -> dict[str, str]:
    """Return a page as texts by heading; "" is what comes before the first one."""
    heading, *others = re.split(r"^\.SH ", text, flags=re.MULTILINE)
    sections = {"": heading.strip("\n")}
    for other in others:
        title, _, body = other.partition("\n")
        sections[title.strip('"')] = body.strip("\n")
    return sections


def _assembled(name: str, generated: Mapping[str, str]) -> str:
    """Return a page of what is generated and what is written by hand."""
    file = name.rpartition(".")[0].removeprefix(f"{PROGRAM}-") + ".man"
    written = _sections(_expanded((_SOURCE / file).read_text(encoding="utf-8")))
    unknown = [title for title in written if title and title not in SECTIONS]
    if unknown or written[""]:
        raise ValueError(f"man/{file}: what is {unknown or written['']}?")
    parts = [generated[""]]
    for title in SECTIONS:
        texts = [generated.get(title), written.get(title)]
        if title == "SYNOPSIS" and written.get(title):
            texts = [written[title]]
        elif title == "SEE ALSO":
            texts.append(_other_pages(name))
        found = [text for text in texts if text]
        if len(found) > 1 and title != "SEE ALSO" and not found[1].startswith("."):
            found.insert(1, ".PP")
        parts += [f".SH {title}", *found] if found else []
    return "\n".join(parts) + "\n"


def _expanded(text: str) -> str:
    lists = {"@COMMANDS@": _commands, "@STATUSES@": _statuses, "@SETTINGS@": _settings}
    lines: list[str] = []
    is_typed = False
    for line in text.splitlines():
        is_typed = line == ".EX" or (is_typed and line != ".EE")
        if line in lists:
            lines += lists[line]()
        elif is_typed and line != ".EX":
            typed = "".join(_TYPED.get(char, char) for char in line)
            lines.append("\\&" + typed if typed.startswith(".") else typed)
        else:
            lines.append(line)
    return "\n".join(lines)


def _entry(term: str, text: str) -> list[str]:
    return [".TP", f".B {_escaped(term)}", *_filled(_escaped(text))]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _commands() -> list[str]:
    lines = []
    for name in sorted(BUILT):
        lines += _entry(name, load_command(name).COMMAND.summary)
    return lines


def _statuses() -> list[str]:
    lines = _entry("0", "A complete answer: a good end marker was seen.")
    lines += _entry("1", "A bug of llmwrap; -vv or LLMWRAP_DEBUG=1 shows where.")
    for error in sorted(LLMWrapError.__subclasses__(), key=lambda e: e.exit_status):
        if error.exit_status > _SIGNALLED:
            continue  # a signal's status, which programs that use the library see
        first = (error.__doc__ or "").partition("\n")[0]
        meaning = first.removeprefix("Report ").removeprefix("that ")
        lines += _entry(f"{error.exit_status}", meaning[0].upper() + meaning[1:])
    for name in _ENDING_SIGNALS:
        number = getattr(signal, name)
        lines += _entry(f"{_SIGNALLED + number}", f"Ended by {name}.")
    return lines


def _settings() -> list[str]:
    lines: list[str] = []
    shown = ""
    for entry in reference():
        section, _, key = entry.key.rpartition(".")
        if section != shown:
            shown = section
            doc = SECTION_DOCS[section.partition(".")[0]]
            text = f"{doc[0].upper()}{doc[1:]}."
            lines += [f".SS [{section}]", *_filled(_escaped(text))]
        lines += _entry(key, _described(entry))
    return lines


def _described(entry: Reference) -> str:
    doc = f"{entry.doc[0].upper()}{entry.doc[1:]}."
    default = f"default: {entry.default}" if entry.default else "not set by default"
    return f"{doc} Type: {entry.kind}; {default}; variable: {entry.variable}."


def _other_pages(name: str) -> str:
    others = [other.rpartition(".") for other in page_names() if other != name]
    lines = [f".BR {_escaped(other)} ({section})," for other, _, section in others]
    return "\n".join(lines).removesuffix(",")


if __name__ == "__main__":
    for made in write_pages(Path(sys.argv[1] if sys.argv[1:] else "man/build")):
        sys.stdout.write(f"{made}\n")
