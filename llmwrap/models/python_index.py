"""Find a wheel where pip would find it, for when there is no pip.

pip's configuration is honoured as far as it says where wheels come from: the files
in their usual places, `PIP_*` variables, index-url, extra-index-url, find-links,
no-index, cert and proxy. Not a resolver: the wheel's file name is known.

See: pip, "Configuration"; PyPA, "Simple repository API" (PEP 503, PEP 691).
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from ..errors import (
    BackendFailedError,
    ConfigError,
    DeadlineError,
    LimitError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)
from .download import Page, fetch_page
from .fetch import FetchSettings, public_url

PYPI = "https://pypi.org/simple"
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json,"
    " application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
_JSON_TYPES = ("application/vnd.pypi.simple.v1+json", "application/json")
_TRUE = ("1", "y", "yes", "t", "true", "on")


class PipSettings(NamedTuple):
    """Where pip is told to look; empty strings for what it is not told."""

    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    cert: str
    proxy: str


class WheelLink(NamedTuple):
    """Where a wheel is: a URL, or the path of a local file; `sha256` may be empty."""

    location: str
    sha256: str = ""

    @property
    def is_local(self) -> bool:
        """Tell whether `location` is a path."""
        return os.path.isabs(self.location)


def pip_settings(environ: Mapping[str, str], prefix: str = sys.prefix) -> PipSettings:
    """Return what pip's files and variables say. Raises: ConfigError."""
    options = _options(environ, prefix)
    indexes = [
        options.get("index-url", PYPI),
        *options.get("extra-index-url", "").split(),
    ]
    if options.get("no-index", "").lower() in _TRUE:
        indexes = []
    return PipSettings(
        index_urls=tuple(url.rstrip("/") for url in indexes),
        find_links=tuple(options.get("find-links", "").split()),
        cert=options.get("cert", ""),
        proxy=options.get("proxy", ""),
    )


def _options(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    # As pip merges them: of two sections the command's wins, whatever file it is in;
    # then the later file; and over all of them the environment.
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}}
    for path in _configuration_files(environ, prefix):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeError) as error:
            raise ConfigError(f"pip's configuration '{path}' is broken") from error
        for section, options in sections.items():
            if parser.has_section(section):
                options.update({_option(k): v for k, v in parser.items(section)})
    variables = {
        _option(name.removeprefix("PIP_")): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }
    return sections["global"] | sections["download"] | variables


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _configuration_files(environ: Mapping[str, str], prefix: str) -> list[str]:
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return []
    home = environ.get("HOME", "") or os.path.expanduser("~")
    config_dirs = environ.get("XDG_CONFIG_DIRS", "") or "/etc/xdg"
    config_home = environ.get("XDG_CONFIG_HOME", "") or os.path.join(home, ".config")
    shared = [os.path.join(path, "pip") for path in config_dirs.split(os.pathsep)]
    users = [os.path.join(home, ".pip"), os.path.join(config_home, "pip")]
    if sys.platform == "darwin":
        shared = ["/Library/Application Support/pip"]
        users.append(os.path.join(home, "Library/Application Support/pip"))
    if own and os.path.exists(own):
        users = []
    directories = [*shared, "/etc", *users, prefix]
    files = [os.path.join(directory, "pip.conf") for directory in directories]
    return [*files, own] if own else files


def find_wheel(
    file_name: str, project: str, pip: PipSettings, settings: FetchSettings
) -> WheelLink:
    """Return where a wheel is.

    Raises: RefusedError when it is nowhere, or the error of the place that could not
    be asked.
    """
    failure: LLMWrapError | None = None
    for place in [*pip.find_links, *(f"{url}/{project}/" for url in pip.index_urls)]:
        try:
            if link := _look(file_name, place, settings):
                return link
        except RefusedError:
            continue  # A 404 is how an index says that it does not have a project.
        except (
            BackendFailedError,
            DeadlineError,
            LimitError,
            ProtocolError,
            UnreachableError,
        ) as error:
            failure = failure or error
    if failure:
        raise failure
    places = ", ".join(public_url(url) for url in (*pip.find_links, *pip.index_urls))
    raise RefusedError(
        f"'{file_name}' is not at {places or 'any place that pip is told of'}",
        hint="pip's index-url and find-links say where to look",
    )


def _look(file_name: str, place: str, settings: FetchSettings) -> WheelLink | None:
    if not place.startswith(("http://", "https://")):
        path = os.path.expanduser(place)
        if place.startswith("file:"):
            path = url2pathname(urlsplit(place).path)
        path = os.path.abspath(path)
        candidates = (path, os.path.join(path, file_name))
        found = [p for p in candidates if os.path.basename(p) == file_name]
        return next((WheelLink(p) for p in found if os.path.isfile(p)), None)
    if unquote(urlsplit(place).path).endswith("/" + file_name):
        return _link(place, "")
    page = fetch_page(place, settings, accept=_ACCEPT)
    links = _json_links(page) if page.media_type in _JSON_TYPES else _html_links(page)
    for url, digest in links:
        if unquote(urlsplit(url).path).endswith("/" + file_name):
            return _link(_with_credentials(url, place), digest)
    return None


def _link(url: str, digest: str) -> WheelLink:
    bare, fragment = urldefrag(url)
    if named := re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})(?:&|$)", fragment):
        digest = named[1]
    return WheelLink(bare, digest.lower())


def _with_credentials(url: str, place: str) -> str:
    """Give a link the user and password of the page it is on, if it is as near."""
    user, at, host = urlsplit(place).netloc.rpartition("@")
    parts = urlsplit(url)
    is_same = parts.netloc == host and parts.scheme == urlsplit(place).scheme
    return parts._replace(netloc=user + at + host).geturl() if is_same else url


def _json_links(page: Page) -> Iterator[tuple[str, str]]:
    try:
        document = json.loads(page.body)
        files = document["files"]
        for file in files:
            digest = (file.get("hashes") or {}).get("sha256", "")
            yield urljoin(page.url, file["url"]), digest
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"'{public_url(page.url)}' is no package index") from error


def _html_links(page: Page) -> Iterator[tuple[str, str]]:
    parser = _LinkParser()
    parser.feed(page.body.decode("utf-8", "replace"))
    base = urljoin(page.url, parser.base)
    for href in parser.links:
        yield urljoin(base, href), ""


class _LinkParser(HTMLParser):
    """Collect the links of a page, and what they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and href:
            self.links.append(href)
        elif tag == "base":
            self.base = self.base or href
