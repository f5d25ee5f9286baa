"""Build llmwrap: what setup.cfg cannot say, the packages and the manual pages."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent


class Build(build):
    """The usual build, and the manual pages."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_man", None)]


class BuildMan(Command):
    """Make the manual pages and have them installed under share/man."""

    description = "make the manual pages"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Have no options."""
        self.build_base: str | None = None

    def finalize_options(self) -> None:
        """Take the directory from `build`."""
        self.set_undefined_options("build", ("build_base", "build_base"))

    def run(self) -> None:
        """Make the pages.

        They are data files, which pip puts below the environment's prefix, where
        man finds share/man beside a bin that is on PATH.
        """
        # Late and with a path of its own: an isolated build does not have the project
        # on sys.path, and asking for metadata does not need argparse-manpage.
        sys.path.insert(0, str(ROOT))
        from man.pages import write_pages

        pages = sorted(write_pages(Path(self.build_base or "build") / "man"))
        self.distribution.data_files = [
            (f"share/man/{directory}", [str(page) for page in group])
            for directory, group in groupby(pages, key=lambda page: page.parent.name)
        ]


setup(
    packages=[*find_packages(include=["llmwrap*"]), "llmwrap.builtin_templates"],
    cmdclass={"build": Build, "build_man": BuildMan},
)
