"""What is asked, put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmwrap.errors import ConfigError, LimitError
from llmwrap.messages import Sampling
from llmwrap.prompting.prompt import checked_image, joined_prompt, read_input
from llmwrap.prompting.sampling import with_options
from llmwrap.prompting.text import decoded


def test_words_come_first_then_files_then_what_was_piped() -> None:
    prompt = joined_prompt(["sum", "up"], [("a.txt", "A\n")], "piped\n")

    assert prompt == "sum up\n\na.txt:\n```\nA\n```\n\npiped"


@pytest.mark.parametrize(
    ("piped", "prompt"),
    [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("\n", ""), ("", "")],
)
def test_one_final_newline_of_stdin_is_dropped(piped: str, prompt: str) -> None:
    assert joined_prompt([], [], piped) == prompt


def test_a_file_with_fences_gets_a_longer_fence() -> None:
    prompt = joined_prompt([], [("x.md", "```py\n1\n```")], "")

    assert prompt == "x.md:\n````\n```py\n1\n```\n````"


@pytest.mark.parametrize(
    ("data", "text", "is_replaced"),
    [
        (b"a", "a", False),
        (b"\xef\xbb\xbfa", "a", False),
        (b"a\xffb", "a\ufffdb", True),
        ("é\u2028".encode(), "é\u2028", False),
        ("\ufeffé".encode("utf-16-le"), "é", False),
        ("\ufeffé".encode("utf-16-be"), "é", False),
        ("\ufeffé".encode("utf-32-le"), "é", False),
        ("\ufeffé".encode("utf-32-be"), "é", False),
        (b"\xff\xfea\0b", "a\ufffd", True),
        (b"a" * 8000 + b"\0", "a" * 8000 + "\ufffd", True),
        (b"", "", False),
    ],
)
def test_bytes_become_text(data: bytes, text: str, is_replaced: bool) -> None:
    found = decoded(data, "it")

    assert (found.text, bool(found.note)) == (text, is_replaced)


NO_TEXT = {
    "png": (b"\x89PNG\r\n\x1a\n", "an image", "-i"),
    "jpeg": (b"\xff\xd8\xff\xe0", "an image", "-i"),
    "webp": (b"RIFF1234WEBP", "an image", "-i"),
    "pdf": (b"%PDF-1.7\n", "a PDF", "pdftotext"),
    "zip": (b"PK\x03\x04", "an archive", "unpack"),
    "gzip": (b"\x1f\x8b\x08", "an archive", "unpack"),
    "tar": (b"name".ljust(257) + b"ustar", "an archive", "unpack"),
    "null": (b"a\0b", "no text", "UTF-16"),
    "utf-16": ("ab".encode("utf-16-le"), "no text", "UTF-16"),
    "late null": (b"a" * 7999 + b"\0", "no text", "UTF-16"),
}


@pytest.mark.parametrize(("data", "what", "hint"), NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_refused(data: bytes, what: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="'it' is") as caught:
        decoded(data, "it")

    assert what in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_images_are_known_by_their_beginning(data: bytes, media_type: str) -> None:
    assert checked_image(data, "x").media_type == media_type


@pytest.mark.parametrize("data", [b"", b"text", b"%PDF-1.7", b"RIFF....WAVE", b"GIF8"])
def test_what_is_no_image_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"'x\.bin' is no image"):
        checked_image(data, "x.bin")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read '.*gone': No such file"):
        read_input(str(tmp_path / "gone"), 10)


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_input("a\0b", 10)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 11)

    assert read_input(str(path), 11) == b"x" * 11
    with pytest.raises(LimitError, match="longer than 10 B"):
        read_input(str(path), 10)


def test_a_named_setting_wins_over_a_default_of_the_same_meaning() -> None:
    sampling = with_options(
        Sampling(temperature=0.0, max_tokens=5),
        {},
        {"temperature": 1.0, "num_predict": 100, "num_ctx": 4096},
    )

    assert sampling.options == {"num_ctx": 4096}


def test_an_option_wins_over_a_default_and_stop_is_a_list() -> None:
    sampling = with_options(Sampling(), {"stop": "END", "seed": 2}, {"seed": 1})

    assert sampling.options == {"seed": 2, "stop": ["END"]}
