"""Addresses are checked, brought into one form, and shown without secrets."""

from __future__ import annotations

import pytest

from llmwrap.config.addresses import mask_secrets, parse_base_url, parse_proxy


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://localhost:1234/v1/", "http://localhost:1234/v1"),
        ("HTTP://LocalHost:80/V1", "http://localhost/V1"),
        ("https://box:443", "https://box"),
        ("http://box:0443/", "http://box:443"),
        ("http://box:", "http://box"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://[0:0::1]", "http://[::1]"),
        ("http://box:1", "http://box:1"),
        ("http://box:65535", "http://box:65535"),
        ("http://my_box.lan", "http://my_box.lan"),
        ("http://bücher.example", "http://bücher.example"),
        (" http://box ", "http://box"),
    ],
)
def test_an_address_has_one_normal_form(text: str, normal: str) -> None:
    assert parse_base_url(text) == normal


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is wanted"),
        ("ftp://box", "is wanted"),
        ("socks5://box", "is wanted"),
        ("http://", "host"),
        ("http:///v1", "host"),
        ("http://:80", "host"),
        ("http://a b", "blank"),
        ("http://a\nb", "blank"),
        ("http://box\\v1", "blank"),
        ("http://box/v1?key=x", "blank"),
        ("http://box#part", "blank"),
        ("http://a%20b", "host"),
        ("http://box:0", "port"),
        ("http://box:65536", "port"),
        ("http://box:-1", "port"),
        ("http://box:\uff18\uff10", "port"),
        ("http://box:1:2", "brackets"),
        ("http://::1", "brackets"),
        ("http://[::1", "brackets"),
        ("http://[::1]80", "brackets"),
        ("http://[box]", "IPv6"),
        ("http://user@box", "api_key_env"),
        ("http://user:word@box", "api_key_env"),
    ],
)
def test_what_is_no_address_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_base_url(text)


def test_a_forgotten_scheme_is_proposed() -> None:
    with pytest.raises(ValueError, match="did you mean 'http://localhost:11434'"):
        parse_base_url("localhost:11434/")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://proxy:3128/", "http://proxy:3128"),
        ("http://User:Word@Proxy:3128", "http://User:Word@proxy:3128"),
        ("socks5h://proxy:1080", "socks5h://proxy"),
    ],
)
def test_a_proxy_may_have_a_password_and_be_socks(text: str, normal: str) -> None:
    assert parse_proxy(text) == normal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://box/v1", "http://box/v1"),
        ("http://user:word@box", "http://***@box"),
        ("http://user:wo/rd@box", "http://***@box"),
        ("http://user:wo@rd@box/v1", "http://***@box/v1"),
        ("user:word@box", "***@box"),
        ("http://box/v1?key=x", "http://box/v1?***"),
        ("http://box/v1?", "http://box/v1?"),
    ],
)
def test_a_shown_address_has_no_secrets(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown
