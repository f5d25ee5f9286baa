"""Addresses of servers and proxies: checked, in one normal form, and masked.

Not urllib.parse: it costs 2.2 ms on the way of a cached answer, and lets pass what
must be refused here (blanks, backslashes, a port of 99999 until it is used).
"""

from __future__ import annotations

_SERVER_PORTS = {"http": "80", "https": "443"}
_PROXY_PORTS = {**_SERVER_PORTS, "socks5": "1080", "socks5h": "1080"}
_LARGEST_PORT = 65535


def parse_base_url(text: str) -> str:
    """Return the normal form of a server's address.

    Scheme and host in lower case, no default port, no slash at the end; the path
    stays (`http://localhost:1234/v1`). A user name or password is refused: the
    address stands in messages, metrics and the cache's keys, and a key has a place
    of its own. Raises: ValueError saying what is wanted, never showing a secret.
    """
    return _parse(text, _SERVER_PORTS)


def parse_proxy(text: str) -> str:
    """Return the normal form of a proxy's address, whose password is kept.

    Raises: ValueError.
    """
    return _parse(text, _PROXY_PORTS)


def mask_secrets(text: str) -> str:
    """Return an address for people: user, password and query replaced by `***`.

    Greedy, so that what is too malformed to be parsed is masked as well.
    """
    text, question_mark, query = text.partition("?")
    head, at, host = text.rpartition("@")
    if at:
        scheme, separator, _ = head.partition("://")
        text = f"{scheme}://***@{host}" if separator else f"***@{host}"
    return f"{text}?***" if query else text + question_mark


def _parse(text: str, ports: dict[str, str]) -> str:
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ports:
        raise ValueError(_what_is_wanted(text, ports))
    if not text.isprintable() or any(char in text for char in ' \\?#"<>'):
        raise ValueError("an address has no blank, backslash, quote, '?' or '#'")
    authority, _, path = rest.partition("/")
    user, at, location = authority.rpartition("@")
    if at and ports is _SERVER_PORTS:
        raise ValueError(
            "no user or password in an address; use 'api_key_env' or 'api_key_file'"
        )
    host, port = _split(location)
    shown_port = "" if port in ("", ports[scheme]) else f":{port}"
    path = path.rstrip("/")
    return f"{scheme}://{user}{at}{host}{shown_port}{'/' if path else ''}{path}"


def _what_is_wanted(text: str, ports: dict[str, str]) -> str:
    schemes = " or ".join((", ".join(list(ports)[:-1]), list(ports)[-1]))
    example = "http://localhost:11434"
    if "://" not in text and ports is _SERVER_PORTS:
        try:
            example = _parse(f"http://{text}", ports)
        except ValueError:
            pass
        else:
            return f"did you mean '{example}'?"
    return f"an address with {schemes} such as '{example}' is wanted"


def _split(location: str) -> tuple[str, str]:
    if location.startswith("["):
        inner, bracket, rest = location[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets: 'http://[::1]:11434'")
        return f"[{_parse_ipv6(inner)}]", _parse_port(rest[1:])
    host, _, port = location.partition(":")
    if ":" in port:
        raise ValueError("an IPv6 address stands in brackets: 'http://[::1]:11434'")
    host = host.lower()
    # Letters of any script: requests turns a name such as 'bücher.example' into IDNA.
    if not host or not all(char.isalnum() or char in "-._" for char in host):
        raise ValueError("an address needs the name or number of a host")
    return host, _parse_port(port)


def _parse_ipv6(text: str) -> str:
    import ipaddress  # late: 1.1 ms, and such an address is rare

    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError("the brackets hold no IPv6 address") from None


def _parse_port(text: str) -> str:
    if not text:
        return ""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError("a port is a number from 1 to 65535")
    port = int(text)
    if not 0 < port <= _LARGEST_PORT:
        raise ValueError("a port is a number from 1 to 65535")
    return str(port)
