"""What becomes of the figures: printed, kept, drawn, compared, put into the docs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from .compare import Change, changes, shown
from .figures import Figure, figures
from .inside import inner_paths
from .keeping import KEPT, Inner, Kept, keep, kept_runs, machine, this_run
from .measure import Row

PAGE = KEPT.parent / "report" / "index.html"
ROOT = Path(__file__).parents[2]
README, FIGURES = ROOT / "README.md", ROOT / "docs" / "FIGURES.md"
IN_README = (
    "one-shot of one token over the smallest requests script",
    "time to first output byte, server at 50 ms, over that script",
    "a hit, 100,000 entries of 1 KB stored, over `python3 -c pass`",
    "requests/s of 16 workers over a loop of requests.Session",
)
"""The figures that matter to who has not tried it yet."""
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
_TITLES = "| what | goal | measured: median [least to most], n rounds | result |"
_RULE = "| --- | --- | --- | --- |"


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "--compare", action="store_true", help="compare with the last kept run"
    )
    parser.add_argument(
        "--no-docs",
        action="store_true",
        help="leave README and docs alone; runs on busy machines need not stand there",
    )
    return parser.parse_args(argv)


class Report:
    """One run of the benchmarks on its way to table, file, page and docs."""

    def __init__(self, chosen: argparse.Namespace, stdout: TextIO) -> None:
        self._chosen = chosen
        self._stdout = stdout
        self._figures: list[Figure] = []
        self._before = kept_runs()

    def begin(self) -> None:
        """Print the head of the table."""
        self._say(f"{_machine_line(machine())}\n", _TITLES, _RULE)

    def add(self, rows: Iterable[Row]) -> None:
        """Print rows as they are measured."""
        for figure in figures(rows):
            self._figures.append(figure)
            self._say(_table_line(figure))

    def end(self) -> None:
        """Measure the inner paths, and do with everything what was asked for."""
        self._say("\ninner paths, median [quartiles]:\n")
        inner = inner_paths()
        for one in inner:
            self._say(f"    {_inner_line(one)}")
        run = this_run(self._figures, inner)
        changed = list(changes(self._before[-1], run)) if self._before else []
        if self._chosen.compare:
            self._compare(changed)
        path = keep(run)
        from .page import page  # late: what is measured is a child of this process
        from .plots import plots

        PAGE.parent.mkdir(parents=True, exist_ok=True)
        drawn = plots(run, [*self._before, run])
        PAGE.write_text(page(run, drawn, changed), encoding="utf-8")
        self._say(f"\nkept in {path}\nto be looked at in {PAGE}")
        if not self._chosen.no_docs:
            for path, figures_in in ((README, in_readme), (FIGURES, in_figures)):
                text = figures_in(path.read_text("utf-8"), run)
                path.write_text(text, encoding="utf-8")

    def _compare(self, changed: Sequence[Change]) -> None:
        if not self._before:
            self._say("\nno run was kept before: there is nothing to compare with")
            return
        self._say(
            f"\nbeside {self._before[-1].title}:\n",
            "| what | then | now | now over then | verdict |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {one.what} | {one.before} | {one.now} | {one.ratio:.2f} |"
                f" {one.verdict} |"
                for one in changed
            ),
        )

    def _say(self, *lines: str) -> None:
        self._stdout.write("".join(f"{line}\n" for line in lines))
        self._stdout.flush()


def in_readme(text: str, run: Kept) -> str:
    """Return the README with the figures that matter between its marks."""
    four = [figure for figure in run.figures if figure.what in IN_README]
    return _between_marks(text, [*_table(four), "", _measured(run)])


def in_figures(text: str, run: Kept) -> str:
    """Return the page of figures with all of a run between its marks."""
    inner = [f"- {_inner_line(one)}" for one in run.inner]
    lines = [*_table(run.figures), "", "Inner paths, median [quartiles]:", "", *inner]
    return _between_marks(text, [*lines, "", _measured(run)])


def _between_marks(text: str, lines: Sequence[str]) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"a page has no {BEGIN.strip()} and {END.strip()}")
    between = "".join(f"{line}\n" for line in ["", *lines, ""])
    return before + begin + between + end + after


def _table(found: Iterable[Figure]) -> list[str]:
    return [_TITLES, _RULE, *map(_table_line, found)]


def _measured(run: Kept) -> str:
    return f"{_machine_line(run.machine)}; measured {run.at[:10]} at {run.commit}."


def _table_line(figure: Figure) -> str:
    cells = (figure.what, figure.goal, figure.measured, figure.result)
    return f"| {' | '.join(cells)} |"


def _inner_line(one: Inner) -> str:
    span = f"[{shown(one.q1_s)} to {shown(one.q3_s)}]"
    return f"{one.name}: {shown(one.median_s)} {span}, n {one.rounds}"


def _machine_line(found: dict[str, str]) -> str:
    return f"{found['python']}, {found['cores']} cores, {found['system']}"
