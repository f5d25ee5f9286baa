"""What people write as JSON is JSON as its standard has it."""

from __future__ import annotations

import json

import pytest

from llmwrap.jsontext import parse_json_text


@pytest.mark.parametrize("text", ["1", "1.5e3", '"NaN"', '{"a": [null, true]}', "-0.0"])
def test_json_is_its_value(text: str) -> None:
    assert parse_json_text(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", '{"a": [-Infinity]}', "1e400", "[-1e400]", "9" * 5000, "", "x"],
)
def test_what_no_server_would_read_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json_text(text)
