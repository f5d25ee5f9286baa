"""`OLLAMA_HOST` as its owner reads it.

As Ollama's own client (the Go one) reads the variable, and then what every client has
to do before it connects: no host means this machine, and so does the unspecified
address that tells a server to listen everywhere. Not for `base_url`, which is a plain
address without guesses.

See: Ollama, envconfig/config.go, `Host` and `ConnectableHost`.
"""

from __future__ import annotations

from ..config.addresses import mask_secrets, parse_base_url
from ..config.complaints import bad_value
from ..errors import ConfigError

VARIABLE = "OLLAMA_HOST"

_DEFAULT_PORT = "11434"
_SCHEME_PORTS = {"http": "80", "https": "443"}
_LARGEST_PORT = 65535
_LOOPBACK = "127.0.0.1"


def parse_ollama_host(value: str) -> str:
    """Return the address to connect to, in the normal form of `parse_base_url`.

    The grammar is `[scheme://][host][:port][/path]`, in blanks and quotes or not; an
    empty value is the default address. A port that is none is replaced by that of the
    scheme, as Ollama does. Raises: ConfigError for what no request can be sent to.
    """
    text = value.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    default_port = _DEFAULT_PORT
    if separator:
        # Case matters to Ollama: 'HTTP://box' has port 11434, 'http://box' 80.
        default_port = _SCHEME_PORTS.get(scheme, _DEFAULT_PORT)
    elif text == "ollama.com":
        scheme, rest, default_port = "https", text, "443"
    else:
        scheme, rest = "http", text
    location, _, path = rest.partition("/")
    host, port = _split(location)
    location = f"{_connectable(host)}:{_port(port) or default_port}"
    try:
        return parse_base_url(f"{scheme}://{location}/{path.strip('/')}")
    except ValueError as error:
        raise _bad_host(value, error) from None


def _bad_host(value: str, error: ValueError) -> ConfigError:
    return bad_value(VARIABLE, VARIABLE, mask_secrets(value), str(error))


def _split(location: str) -> tuple[str, str]:
    """Return host and port; a bare IPv6 address, `::1`, has no port."""
    if location.startswith("["):
        host, _, port = location[1:].partition("]")
        return host, port.removeprefix(":")
    # Ollama takes 'user:word@box' for the host 'user'; parse_base_url refuses it.
    if location.count(":") > 1 or "@" in location:
        return location, ""
    host, _, port = location.partition(":")
    return host, port


def _port(text: str) -> str | None:
    digits = text.removeprefix("+")
    # Not longer: int() refuses more than 4300 digits with an error of its own.
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 20
    return str(int(digits)) if is_number and int(digits) <= _LARGEST_PORT else None


def _connectable(host: str) -> str:
    if host in ("", "0.0.0.0"):  # noqa: S104  # compared with, nothing is bound
        return _LOOPBACK
    if ":" not in host or "@" in host:
        return host
    import ipaddress  # late: 1.1 ms, and such an address is rare

    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return f"[{host}]"
    if address.ipv4_mapped is not None:
        return _connectable(str(address.ipv4_mapped))
    return "[::1]" if address.is_unspecified else f"[{address}]"
