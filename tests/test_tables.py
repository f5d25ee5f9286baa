"""Tables are aligned and harmless."""

from __future__ import annotations

import pytest

from llmwrap.cli.tables import Column, cut, table

COLUMNS = (Column("NAME"), Column("SIZE", is_right=True), Column("STATE"))


def test_columns_are_aligned_and_numbers_stand_on_the_right() -> None:
    text = table(COLUMNS, [["alpha:latest", "93.8 MiB", "up"], ["b", "1 B", "down"]])

    assert text == (
        "NAME              SIZE  STATE\n"
        "alpha:latest  93.8 MiB  up\n"
        "b                  1 B  down\n"
    )


def test_an_empty_cell_is_a_dash_and_no_line_ends_in_blanks() -> None:
    text = table(COLUMNS, [["", "", ""], ["a-long-name", "12", "x"]])

    assert text.splitlines()[1] == "-               -  -"
    assert all(line == line.rstrip() for line in text.splitlines())


def test_without_rows_there_are_the_titles() -> None:
    assert table(COLUMNS, []) == "NAME  SIZE  STATE\n"


def test_without_titles_there_are_only_the_rows() -> None:
    assert (
        table((Column(""), Column("")), [["a", "b"], ["cc", "d"]]) == "a   b\ncc  d\n"
    )


def test_a_table_without_titles_and_rows_is_empty() -> None:
    assert table((Column(""), Column("")), []) == ""


def test_a_long_cell_is_neither_wrapped_nor_cut() -> None:
    long = "x" * 500

    assert table((Column("A"), Column("B")), [[long, "b"]]).splitlines()[1] == (
        f"{long}  b"
    )


def test_wide_characters_count_twice_and_combining_ones_not_at_all() -> None:
    text = table((Column("A"), Column("B")), [["模型", "x"], ["e\u0301", "y"]])

    assert text == "A     B\n模型  x\ne\u0301     y\n"


@pytest.mark.parametrize("bad", ["a\x1b[2Jb", "a\nb", "a\x9bb", "a\u202eb", "a\tb"])
def test_a_name_can_neither_drive_the_terminal_nor_break_the_line(bad: str) -> None:
    text = table((Column("NAME"),), [[bad]])

    assert len(text.splitlines()) == 2
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("width", range(-1, 8))
def test_a_cut_line_fits_its_cells(width: int) -> None:
    assert cut("abc", width) == "abc"[: max(0, width)]
    assert (
        cut("模型x", width)
        == "模型x"[: (0, 0, 1, 1, 2)[max(0, min(4, width))] + (width > 4)]
    )
