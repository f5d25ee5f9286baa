"""Durations and sizes as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwrap.units import (
    format_duration,
    format_size,
    parse_duration,
    parse_number,
    parse_size,
    parse_whole,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("7d", 604800.0),
        (" 5 s ", 5.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s5ms", 93784.005),
        ("1us", 1e-6),
        ("0", 0.0),
    ],
)
def test_durations_of_the_contract_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "-1",
        "1w",
        "1e3",
        "nan",
        "inf",
        "1.2.3",
        "٣",
        "1 000",
        "1h30",
        "30m1h",
        "1h1h",
        "1_0s",
        "99999999d",
        "9" * 400,
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no duration such as|negative|hundred years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("64KiB", 65536),
        ("16 MiB", 16 << 20),
        ("1GB", 10**9),
        ("1g", 1 << 30),
        ("1.5k", 1536),
    ],
)
def test_sizes_of_the_contract_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "1PB", "1 0", "1k1", "99999999999GiB", "9" * 400]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size such as|disk"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.085, "85ms"),
        (1.5, "1.5s"),
        (60, "1m"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (90061, "1d1h"),
        (604800, "7d"),
    ],
)
def test_durations_are_shown_in_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [0.00009, 0.085, 1.25, 90, 5400, 90061, 3e7])
def test_what_is_shown_of_a_duration_can_be_read(seconds: float) -> None:
    shown = format_duration(seconds)

    assert format_duration(parse_duration(shown)) == shown


@pytest.mark.parametrize("size", [0, 512, 1536, 98362432, 1 << 41])
def test_what_is_shown_of_a_size_can_be_read(size: int) -> None:
    assert format_size(parse_size(format_size(size))) == format_size(size)


@pytest.mark.parametrize("text", ["", "x", "1_000", "1.0", "+1", "٣", "1e3", "0x1"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no whole number such as"):
        parse_whole(text)


@pytest.mark.parametrize("text", ["", "x", "1_0.5", "nan", "inf", "-Infinity", "٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number such as"):
        parse_number(text)


@pytest.mark.parametrize(
    ("parse", "text", "problem"),
    [
        (parse_whole, "-1", "is negative; a whole number from 0"),
        (parse_whole, "9" * 5000, "too large a number"),
        (parse_number, "1e999", "too large a number"),
        (parse_duration, "-5m", "is negative; wanted is a duration such as"),
    ],
)
def test_a_number_that_cannot_be_is_told_why(
    parse: Callable[[str], float], text: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_numbers_are_read() -> None:
    assert [parse_whole("0042"), parse_whole("-7", None)] == [42, -7]
    assert [parse_number("0.7"), parse_number("-1"), parse_number("1e-3")] == [
        0.7,
        -1,
        0.001,
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (512, "512 B"),
        (1536, "1.5 KiB"),
        (98362432, "93.8 MiB"),
        (1 << 41, "2048.0 GiB"),
    ],
)
def test_sizes_are_shown_in_binary_units(size: int, text: str) -> None:
    assert format_size(size) == text
