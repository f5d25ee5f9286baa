"""The report in HTML: one file that needs nothing else, looked at in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from array import array
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from llmwrap.loadtest.compare import changes
from llmwrap.loadtest.page import page_of
from llmwrap.loadtest.plots import Plot, plots_of
from llmwrap.loadtest.summary import Outcome, summary_of

from .test_loadtest_results import FAILED, SETTING, outcome, sample

if find_spec("matplotlib") is None:
    pytest.skip("matplotlib is not installed", allow_module_level=True)

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_VOID = {"meta", "br", "img", "link", "hr", "input"}
_PNG = b"\x89PNG\r\n\x1a\n"


def busy_test() -> Outcome:
    """Return a test with all kinds of requests."""
    count = 60
    samples = [
        sample(number, ttft_s=0.2 + 0.01 * (number % 7), e2e_s=1.0 + 0.1 * (number % 5))
        for number in range(count)
    ]
    samples[3] = FAILED._replace(number=3, started_s=0.3, ended_s=0.9)
    samples[4] = samples[4]._replace(is_cached=True)
    return outcome(
        *samples,
        wall_s=count * 0.1 + 1.5,
        itl_s=array("d", [0.01 + 0.001 * (n % 9) for n in range(20 * count)]),
        itl_at_s=array("d", [0.005 * n for n in range(20 * count)]),
    )


def page(whole: Outcome) -> str:
    return page_with(plots_of(whole), whole)


def page_with(plots: list[Plot], whole: Outcome, *, has_samples: bool = False) -> str:
    found = changes([whole.samples], [whole.samples])
    return page_of(whole, summary_of(whole), plots, found, has_samples=has_samples)


class Elements(HTMLParser):
    """Collect start tags and attributes; check that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href")
        ]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture(scope="module")
def plots() -> list[Plot]:
    return plots_of(busy_test())


@pytest.fixture(scope="module")
def whole_page(plots: list[Plot]) -> str:
    return page_with(plots, busy_test(), has_samples=True)


def test_it_has_every_plot(whole_page: str) -> None:
    titles = re.findall(r"<h2>(.*?)</h2>", whole_page)

    assert titles == [
        "Compared with the baseline",
        "Latencies",
        "Latency by percentile",
        "Latency distribution",
        "TTFT and ITL over time",
        "Throughput",
        "Timeline of requests",
        "The test",
        "Figures",
        "Samples",
    ]
    assert Elements(whole_page).tags.count("svg") == 5


def test_it_is_one_file_that_asks_for_nothing_and_runs_nothing(whole_page: str) -> None:
    elements = Elements(whole_page)

    assert not {"script", "link", "iframe", "object"} & set(elements.tags)
    assert [a for a in elements.addresses if not a.startswith("#")] == []
    assert "url(http" not in whole_page
    assert "@import" not in whole_page
    assert "default-src 'none'" in whole_page


def test_each_plot_is_an_image_of_its_own(plots: list[Plot], whole_page: str) -> None:
    """In one document names must be there once, or a plot is cut by another's path."""
    for plot in plots:
        ET.fromstring(plot.svg)
    clips = re.findall(r'<clipPath id="(.*?)"', whole_page)
    assert clips
    assert len(clips) == len(set(clips))


@pytest.mark.untraced
def test_the_same_test_makes_the_same_page(whole_page: str) -> None:
    again = plots_of(busy_test())

    assert page_with(again, busy_test(), has_samples=True) == whole_page


def test_names_of_others_cannot_be_markup() -> None:
    evil = '<script>alert("x")</script>'
    failed = FAILED._replace(message=evil, error="timeout")
    setting = SETTING._replace(model=evil, backend=evil)

    text = page(outcome(sample(0), failed, setting=setting, described=evil))

    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(
    "whole",
    [
        outcome(wall_s=0.0, itl_s=array("d"), itl_at_s=array("d"), is_interrupted=True),
        outcome(FAILED, itl_s=array("d"), itl_at_s=array("d")),
        outcome(sample(0, tpot_s=None), itl_s=array("d"), itl_at_s=array("d")),
        outcome(sample(0, completion_tokens=None, server=None)),
    ],
    ids=["nothing", "only failures", "one token", "no counts"],
)
def test_a_test_with_little_to_show_has_a_page_too(whole: Outcome) -> None:
    assert Elements(page(whole)).tags.count("h1") == 1


@pytest.mark.slow
@pytest.mark.skipif(not _CHROMIUM, reason="chromium is not installed")
def test_a_browser_shows_it_without_a_complaint(
    whole_page: str, tmp_path: Path
) -> None:
    file, shot = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(whole_page, encoding="utf-8")

    done = subprocess.run(
        [
            str(_CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-background-networking", "--enable-logging=stderr"),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1100,3400",
            f"--screenshot={shot}",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )

    # What a page does wrong, its own policy included, comes as a line of CONSOLE.
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert shot.read_bytes().startswith(_PNG)
    # A page that is empty makes a picture of some kilobytes.
    assert shot.stat().st_size > 100_000
