"""The table of figures: read, judged, compared and put into the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench.compare import changes
from .bench.figures import Figure, figures, goal_of, value_of
from .bench.keeping import Inner, Kept
from .bench.measure import Row
from .bench.page import page
from .bench.report import BEGIN, END, IN_README, in_figures, in_readme
from .runner import ROOT

DOCS = ("README.md", "docs/FIGURES.md")


def figure(goal: str, measured: str, what: str = "it") -> Figure:
    (found,) = figures([Row(what, goal, measured)])
    return found


def kept(*found: Figure, inner: tuple[Inner, ...] = ()) -> Kept:
    machine = {"python": "P", "cores": "2", "system": "S", "processor": "X"}
    return Kept("2026-11-27T14:00:00+00:00", "abc", machine, list(found), list(inner))


@pytest.mark.parametrize(
    ("goal", "measured", "is_met"),
    [
        ("<= 1.5", "0.92 [0.88 to 1.16], n 15", True),
        ("<= 1.5", "1.6 [0.88 to 1.16], n 15", False),
        (">= 250,000", "215,631, reader 121,177, curl 978,953", False),
        (">= 0.5", "0.6", True),
        ("<= 45 MiB", "25.9 MiB", True),
        ("p99 <= 2 ms", "p50 100 us, p99 900 us, n 5000", True),
        ("p99 <= 2 ms", "p50 100 us, p99 2.1 ms, n 5000", False),
        ("<= 3 s", "0.3 s", True),
        ("-", "0.3 s", None),
        ("<= 3 s", "nothing", None),
    ],
)
def test_a_figure_is_judged_by_its_goal(
    goal: str, measured: str, *, is_met: bool | None
) -> None:
    assert figure(goal, measured).is_met is is_met


def test_units_are_seconds_and_bytes() -> None:
    assert value_of("p50 8 us, p99 12 us", "p99") == pytest.approx(12e-6)
    assert value_of("33.0 MiB") == 33 * 2**20
    assert goal_of("within reason") is None


def test_what_is_the_same_says_the_same_as_what() -> None:
    rows = [Row("a hit", "-", "1"), Row("the same, slower", "-", "2")]

    found = [one.name for one in figures([*rows, Row("b", "-", "3"), rows[1]])]

    assert found[1] == "a hit: the same, slower"
    assert len(set(found)) == 4


def test_a_figure_over_its_goal_is_up_to_one_when_it_is_met() -> None:
    assert figure("<= 2", "1").part_of_goal == 0.5
    assert figure(">= 2", "4").part_of_goal == 0.5
    assert figure("-", "4").part_of_goal is None


def verdict(goal: str, before: str, now: str) -> str:
    (found,) = changes(kept(figure(goal, before)), kept(figure(goal, now)))
    return found.verdict


def test_a_change_beyond_the_spread_is_better_or_worse() -> None:
    assert verdict("<= 2", "1.0 [0.9 to 1.1]", "1.5 [1.4 to 1.6]") == "worse"
    assert verdict("<= 2", "1.5 [1.4 to 1.6]", "1.0 [0.9 to 1.1]") == "better"
    assert verdict(">= 2", "100", "50") == "worse"


def test_a_change_within_the_spread_or_a_tenth_is_none() -> None:
    assert verdict("<= 2", "1.0 [0.9 to 1.5]", "1.4 [1.3 to 1.6]") == "same"
    assert verdict("<= 2", "1.00 [0.99 to 1.01]", "1.08 [1.07 to 1.09]") == "same"


def test_inner_paths_are_compared_by_their_quartiles() -> None:
    before = Inner("path", 0.9, 0.95, 1.0, 1.05, 9.0, 10)
    now = Inner("path", 1.9, 1.95, 2.0, 2.05, 9.0, 10)

    (found,) = changes(kept(inner=(before,)), kept(inner=(now,)))

    assert (found.verdict, found.ratio) == ("worse", 2.0)


def test_the_page_of_figures_gets_the_table_between_its_marks() -> None:
    text = f"before\n{BEGIN}old\n{END}after\n"

    found = in_figures(text, kept(figure("<= 2", "1 | 2")))

    assert found.startswith(f"before\n{BEGIN}")
    assert found.endswith(f"{END}after\n")
    assert "| it | <= 2 | 1 | 2 | met |" in found
    assert "old" not in found
    assert in_figures(found, kept(figure("<= 2", "1 | 2"))) == found


def test_the_readme_gets_the_figures_that_matter() -> None:
    run = kept(figure("<= 2", "1", IN_README[0]), figure("<= 2", "1", "another"))

    found = in_readme(f"{BEGIN}{END}", run)

    assert f"| {IN_README[0]} | <= 2 | 1 | met |" in found
    assert "another" not in found
    readme, figures_page = ((ROOT / name).read_text() for name in DOCS)
    assert all(what in readme and what in figures_page for what in IN_README)


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(SystemExit):
        in_readme("nothing", kept())


def test_the_page_needs_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))  # else it writes to the home
    from .bench.plots import plots

    inner = Inner("path", 0.9, 0.95, 1.0, 1.05, 9.0, 10)
    earlier = kept(figure("<= 2", "1 s", "a <b> row"), inner=(inner,))
    run = kept(figure("<= 2", "3 s", "a <b> row"), inner=(inner,))

    text = page(run, plots(run, [earlier, run]), list(changes(earlier, run)))

    assert text.count("<svg") == 3
    assert "a &lt;b&gt; row" in text
    assert "<script" not in text
    assert 'src="http' not in text
    assert text.count('class="missed"') == 1
