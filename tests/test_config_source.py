"""Whatever makes a file unusable is one line that says where and what instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwrap.config import Config
from llmwrap.errors import ConfigError

HOME = {"HOME": "/home/user"}


def refusal(tmp_path: Path, content: str | bytes) -> str:
    """Return the message, without the path and with the hint, of a file refused."""
    file = tmp_path / "c.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        Config.load(file, HOME)
    message = str(caught.value)
    assert caught.value.exit_status == 3
    assert "\n" not in message
    assert f"'{file}'" in message
    return message.replace(f"'{file}': ", "").replace(str(file), "FILE")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[cache]\ntll = '1h'", "unknown key 'cache.tll'; did you mean 'ttl'?"),
        ("[chache]", "unknown key 'chache'; did you mean 'cache'?"),
        ("ttl = '1h'", "unknown key 'ttl'; did you mean 'cache.ttl'?"),
        ("[ui]\nttl = '1h'", "unknown key 'ui.ttl'; did you mean 'cache.ttl'?"),
        (
            "timeout = 3",
            "unknown key 'timeout'; did you mean 'backends.NAME.timeout'?",
        ),
        (
            "[streaming]\ntimeout = 3",
            "unknown key 'streaming.timeout'; did you mean 'total_timeout'?",
        ),
        (
            "[backends.openai]\napi_key = 'sk-1'",
            "unknown key 'backends.openai.api_key'; did you mean 'api_key_env'?",
        ),
        (
            "[history]\nzzz = 1",
            "unknown key 'history.zzz'; known are enabled, ask",
        ),
        ('"a\\nb" = 1', "unknown key 'a\\nb'; known are defaults, limits, backends, "),
        ("cache = true", "'cache' is no table; write [cache]"),
        ("[[cache]]", "'cache' is no table; write [cache]"),
        (
            "[backends]\nollama = 'http://x'",
            "'backends.ollama' is no table; write [backends.ollama]",
        ),
        (
            "[backends.'a/b']",
            "bad name 'a/b' of a backend; use letters, digits, '-' and '_'",
        ),
        (
            "[cache]\nenable_persistence = true\ncache_persistence = true",
            "'cache.enable_persistence' is given twice; 'cache_persistence' is the",
        ),
    ],
)
def test_a_key_that_is_none_is_named_with_the_right_one(
    toml: str, message: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, toml).startswith(message)


@pytest.mark.parametrize(
    ("toml", "place", "what"),
    [
        ("[cache]\nttl 3", "line 2, column 5", "expected '=' after a key"),
        ("[cache]\nttl = '1h", "line 2, column 10", ""),
        ("[cache]\n[cache]", "line 2, column 7", "cannot declare"),
        ("a = 1\r\nb = \r\n", "line 2, column 5", "invalid value"),
        ("[cache", "line 1, column 7", ""),
    ],
)
def test_broken_toml_is_told_with_line_and_column(
    toml: str, place: str, what: str, tmp_path: Path
) -> None:
    message = refusal(tmp_path, toml)

    assert message.startswith(f"broken TOML at {place}; {what}")


def test_toml_nested_without_end_is_one_line(tmp_path: Path) -> None:
    assert "nested too deeply" in refusal(tmp_path, "a = " + "[" * 20_000)


def test_a_number_without_end_is_one_line(tmp_path: Path) -> None:
    assert "a number is too long" in refusal(tmp_path, "a = " + "1" * 5000)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"[ui]\n# caf\xe9\n") == "not UTF-8 in line 2"


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    assert "it is larger than 1 MiB" in refusal(tmp_path, "#" * (1 << 20) + "\n")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b"\xef\xbb\xbf[history]\r\nask = true\r\n")

    assert Config.load(file, HOME).history.ask


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.toml")
    message = (
        f"cannot read the configuration '{missing}': there is no such file; "
        "run 'llmwrap config init' to write one"
    )

    for path, environ in ((missing, HOME), (None, {"LLMWRAP_CONFIG": missing})):
        with pytest.raises(ConfigError) as caught:
            Config.load(path, environ)
        assert str(caught.value) == message


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"'{tmp_path}': is a directory"):
        Config.load(tmp_path, HOME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_users_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "llmwrap" / "config.toml"
    file.parent.mkdir()
    file.touch(mode=0)

    with pytest.raises(ConfigError, match="permission denied"):
        Config.load(None, {"XDG_CONFIG_HOME": str(tmp_path)})


def test_a_link_in_a_circle_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.symlink_to(file)

    with pytest.raises(ConfigError, match="cannot read the configuration"):
        Config.load(file, HOME)


def test_a_null_character_in_a_path_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.load("/a\0b", HOME)

    assert str(caught.value) == (
        "cannot read the configuration '/a\\x00b': a path holds no null character"
    )


def test_a_relative_path_in_a_removed_directory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ConfigError, match="the working directory is gone"):
        Config.load("c.toml", HOME)
    with pytest.raises(ConfigError, match="the working directory is gone"):
        Config.load(os.devnull, {**HOME, "LLMWRAP_CACHE_PATH": "c"})
    assert Config.load(os.devnull, HOME).path == os.devnull


def test_a_file_may_be_a_pipe(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"[history]\nask = true")
    os.close(write_end)

    config = Config.load(f"/dev/fd/{read_end}", HOME)
    os.close(read_end)

    assert config.history.ask
