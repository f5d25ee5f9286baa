"""Where a server is, and how to reach it."""

from typing import NamedTuple

from .. import __version__


class Endpoint(NamedTuple):
    """Where and how to reach one server; `name` is the backend's, for messages.

    `silence_s` is the longest silence of the socket. `body_limit_bytes` bounds a body
    that is no stream. `pool_size` is how many connections are kept; `is_reused` False
    says that no second request will follow, so nothing is done to keep one alive.
    `headers` are the user's own, and so is `query`, which goes behind each path as it
    is; `secrets` are texts of both that nobody may see.
    """

    name: str
    base_url: str
    api_key: str | None = None
    connect_timeout_s: float = 5.0
    silence_s: float = 300.0
    proxy: str | None = None
    ca_bundle: str | None = None
    ca_directory: str | None = None
    api_key_header: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    client_certificate: str | None = None
    client_key: str | None = None
    secrets: tuple[str, ...] = ()
    body_limit_bytes: int = 64 << 20
    pool_size: int = 10
    is_reused: bool = True

    def request_headers(self, accept: str, *, has_body: bool) -> dict[str, str]:
        """Return the headers of a request, the key among them."""
        headers = {
            "User-Agent": f"llmwrap/{__version__}",
            # A proxy that compresses would hold tokens back.
            "Accept-Encoding": "identity",
            "Accept": accept,
        }
        if self.api_key and self.api_key_header:
            headers[self.api_key_header] = self.api_key
        elif self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        if has_body:
            headers["Content-Type"] = "application/json"
        for name, value in self.headers:
            for same in [one for one in headers if one.lower() == name.lower()]:
                del headers[same]
            headers[name] = value
        return headers

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.base_url!r})"

    def __str__(self) -> str:
        return f"{self.name} at {self.base_url}"
