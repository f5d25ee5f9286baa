"""What `make quick` leaves out is a part of many that are alike, and no function."""

from __future__ import annotations

from pathlib import Path

from .scheduling import SLOW, sample


def test_a_sample_has_all_of_few_and_some_of_many() -> None:
    few = [f"tests/test_a.py::test_few[{n}]" for n in range(4)]
    many = [f"tests/test_a.py::test_many[{n}]" for n in range(13)]

    kept = sample(["tests/test_a.py::test_one", *few, *many])

    assert kept == {"tests/test_a.py::test_one", *few, *many[::4]}


def test_slow_modules_are_there() -> None:
    here = {path.stem for path in Path(__file__).parent.glob("test_*.py")}

    assert here >= SLOW
