"""What backends over HTTP share: small calls, and streams with errors. Floor F3."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LLMWrapError, ProtocolError
from ..messages import Json, Request
from ..transport.cancel import CancelToken
from ..transport.client import ByteStream, HttpClient
from ..transport.endpoint import Endpoint
from ..transport.framing import parse_json
from .base import Backend, BackendSettings, WireRequest
from .replies import ErrorReader, server_error, without_key

JsonObject = dict[str, Json]


class HttpBackend(Backend):
    """Speak HTTP to one server; the base of the backends that do.

    `api_path` goes between the address and the paths, `chat_path` is where chats are
    posted. `context_option` is as `ErrorReader` has it.
    """

    api_path = ""
    chat_path = ""
    context_option = ""
    stream_type = "application/json"

    def __init__(self, settings: BackendSettings) -> None:
        self.name = settings.name
        self.kind = settings.kind
        self.address = settings.base_url
        self._settings = settings
        self._endpoint = Endpoint(
            name=settings.name,
            base_url=settings.base_url,
            api_key=settings.api_key,
            connect_timeout_s=settings.connect_timeout_s,
            silence_s=settings.silence_s,
            proxy=settings.proxy,
            ca_bundle=settings.ca_bundle,
            body_limit_bytes=settings.body_limit_bytes,
            pool_size=settings.pool_size,
            is_reused=settings.is_reused,
        )
        self._client = HttpClient(self._endpoint)
        self._errors = ErrorReader(self._endpoint, self.context_option)

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def chat_body(self, request: Request) -> JsonObject:
        """Return the JSON object that asks for `request`."""
        raise NotImplementedError

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `chat` would send, the key masked."""
        headers = self._client.headers(
            {"Accept": self.stream_type, "Content-Type": "application/json"}
        )
        if "Authorization" in headers:
            headers["Authorization"] = "Bearer ***"
        url = self._endpoint.base_url + self.chat_path
        return WireRequest("POST", url, headers, self.chat_body(request))

    @contextmanager
    def _opened(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        *,
        cancel: CancelToken | None = None,
        model: str = "",
    ) -> Iterator[ByteStream]:
        """Open a reply with status 200, and close it afterwards."""
        sent = None if body is None else encode_json(body)
        with self._masked():
            reply = self._client.open(
                method, path, sent, cancel=cancel, accept=self.stream_type
            )
            try:
                if reply.status != 200:
                    raise self._errors.status_error(reply, model)
                yield reply
            finally:
                reply.close()

    @contextmanager
    def _masked(self) -> Iterator[None]:
        """Take the key out of the errors that pass."""
        try:
            yield
        except LLMWrapError as error:
            error.message = without_key(error.message, self._endpoint)
            raise

    def _call(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        timeout_s: float,
        model: str = "",
        base_url: str | None = None,
    ) -> JsonObject:
        """Return the JSON object that a small request brings.

        `timeout_s` is the whole call's, head and error body included. `base_url` is
        for APIs that stand beside the backend's own.
        """
        cancel = CancelToken(until=time.monotonic() + timeout_s)
        client = HttpClient(
            self._endpoint._replace(
                base_url=base_url or self._endpoint.base_url,
                connect_timeout_s=min(timeout_s, self._endpoint.connect_timeout_s),
                silence_s=timeout_s,
                is_reused=False,
            )
        )
        sent = None if body is None else encode_json(body)
        try:
            with self._masked():
                reply = client.open(method, path, sent, cancel=cancel)
                if reply.status != 200:
                    raise self._errors.status_error(reply, model)
                document = parse_json(reply.read_all())
        finally:
            cancel.detach()
            client.close()
        if error := server_error(document):
            raise self._errors.reported_error(error, model, is_first=True)
        if not isinstance(document, dict):
            raise ProtocolError(f"{self._endpoint} answered no JSON object to {path}")
        return document


def encode_json(document: JsonObject) -> bytes:
    """Return the bytes of a request body; lone surrogates become U+FFFD."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def object_at(document: JsonObject, key: str) -> JsonObject:
    """Return an object that may be missing or null. Raises: ProtocolError."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError(f"the reply has {value!r:.40} where '{key}' belongs")
    return value


def objects_at(document: JsonObject, key: str) -> list[JsonObject]:
    """Return a list of objects that may be missing or null. Raises: ProtocolError."""
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProtocolError(f"the reply has {value!r:.40} where '{key}' belongs")
    objects = [item for item in value if isinstance(item, dict)]
    if len(objects) != len(value):
        raise ProtocolError(f"the reply has {value!r:.40} where '{key}' belongs")
    return objects
