"""OLLAMA_HOST is read as Ollama's own client reads it."""

from __future__ import annotations

import pytest

from llmwrap.backends.ollama_host import parse_ollama_host
from llmwrap.errors import ConfigError

# What Ollama's `Host` and `ConnectableHost` make of each value, but a port that the
# scheme implies is left out, and an empty host is this machine.
TABLE = [
    ("", "http://127.0.0.1:11434"),
    ("  ", "http://127.0.0.1:11434"),
    ("1.2.3.4", "http://1.2.3.4:11434"),
    ("example.com", "http://example.com:11434"),
    ("example.com:", "http://example.com:11434"),
    ("example.com:1234", "http://example.com:1234"),
    (":1234", "http://127.0.0.1:1234"),
    (":", "http://127.0.0.1:11434"),
    ("http://", "http://127.0.0.1"),
    ("http://1.2.3.4", "http://1.2.3.4"),
    ("https://1.2.3.4", "https://1.2.3.4"),
    ("https://1.2.3.4:11434", "https://1.2.3.4:11434"),
    ("HTTP://1.2.3.4", "http://1.2.3.4:11434"),
    ("https://example.com/ollama", "https://example.com/ollama"),
    ("https://example.com//ollama/", "https://example.com/ollama"),
    ("example.com/path", "http://example.com:11434/path"),
    ("example.com/", "http://example.com:11434"),
    ("[::1]", "http://[::1]:11434"),
    ("[::1]:1234", "http://[::1]:1234"),
    ("::1", "http://[::1]:11434"),
    ("fe80:0:0:0:0:0:0:1", "http://[fe80::1]:11434"),
    ("ollama.com", "https://ollama.com"),
    ("http://ollama.com", "http://ollama.com"),
    ("example.com:65535", "http://example.com:65535"),
    ("example.com:65536", "http://example.com:11434"),
    ("example.com:-1", "http://example.com:11434"),
    ("example.com:port", "http://example.com:11434"),
    ("https://example.com:65536", "https://example.com"),
    ("example.com:0080", "http://example.com"),
    pytest.param(
        "example.com:" + "9" * 5000, "http://example.com:11434", id="5000 digits"
    ),
    ("0.0.0.0", "http://127.0.0.1:11434"),
    ("0.0.0.0:1234", "http://127.0.0.1:1234"),
    ("[::]", "http://[::1]:11434"),
    ("[::]:1234", "http://[::1]:1234"),
    ("0:0:0:0:0:0:0:0", "http://[::1]:11434"),
    ("[::ffff:0.0.0.0]", "http://127.0.0.1:11434"),
    (" 'example.com' ", "http://example.com:11434"),
    ('" example.com "', "http://example.com:11434"),
]


@pytest.mark.parametrize(("value", "address"), TABLE)
def test_a_value_leads_where_ollamas_own_client_goes(value: str, address: str) -> None:
    assert parse_ollama_host(value) == address


@pytest.mark.parametrize(
    "value",
    ["ftp://example.com", "exa mple.com", "a:b:c", "example.com/a?b", "example.com:0"],
)
def test_what_no_request_can_be_sent_to_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="'OLLAMA_HOST': bad value"):
        parse_ollama_host(value)


def test_a_password_in_a_refused_value_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_ollama_host("http://user:hunter2@example.com")

    assert "hunter2" not in str(caught.value)
