"""What backends over HTTP share: small calls, and streams with errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from ..config import mask_secrets
from ..config.api_key import is_secret_name
from ..config.kinds import BUILT_IN_KINDS
from ..errors import (
    IncompleteError,
    LimitError,
    LLMWrapError,
    ProtocolError,
    UsageError,
    name_server,
)
from ..messages import Json, Request
from ..transport.cancel import CancelToken
from ..transport.early import EarlyClient, new_client
from ..transport.endpoint import Endpoint
from ..transport.framing import ReplyDecoder, parse_documents, parse_json
from ..transport.tls import tls_of
from ..units import format_size
from .base import Backend, BackendSettings, Model, WireRequest
from .entries import models_of
from .replies import ErrorReader, shown, without_key
from .server_errors import server_error, words_of_page

TYPE_CHECKING = False  # a question goes out before requests is imported
if TYPE_CHECKING:
    from ..transport.client import ByteStream, HttpClient

JsonObject = dict[str, Json]


class HttpBackend(Backend):
    """Speak HTTP to one server; the base of the backends that do.

    `api_path` goes between the address and the paths, `chat_path` is where chats are
    posted. `has_events` tells whether answers may come as server-sent events.
    """

    api_path = ""
    chat_path = ""
    stream_type = "application/json"
    has_events = True

    def __init__(self, settings: BackendSettings) -> None:
        self.name = settings.name
        self.kind = settings.kind
        self.address = settings.base_url
        self._settings = settings
        certificate = settings.certificate
        self._endpoint = Endpoint(
            name=settings.name,
            base_url=settings.base_url,
            api_key=settings.api_key,
            connect_timeout_s=settings.connect_timeout_s,
            silence_s=settings.silence_s,
            proxy=settings.proxy,
            ca_bundle=settings.ca_bundle,
            ca_directory=settings.ca_directory,
            api_key_header=settings.api_key_header,
            headers=_own_headers(settings),
            query=_own_query(settings),
            client_certificate=certificate.path if certificate else None,
            client_key=certificate.key_path if certificate else None,
            secrets=settings.secrets,
            body_limit_bytes=settings.body_limit_bytes,
            pool_size=settings.pool_size,
            is_reused=settings.is_reused,
        )
        # Others may need requests as it is, so theirs are not hurried.
        self._is_lean = not settings.is_reused and settings.kind in BUILT_IN_KINDS
        self._tls = tls_of(self._endpoint)
        self.note = self._tls.note
        self._client: HttpClient | EarlyClient
        if self._is_lean:
            self._client = EarlyClient(self._endpoint, self._tls)
        else:
            self._client = new_client(self._endpoint, self._tls, is_lean=False)
        self._errors = ErrorReader(self._endpoint)
        self._odd: list[str] = []

    def odd_entries(self) -> list[str]:
        """Return, once, what could not be read of the last list."""
        told, self._odd = self._odd, []
        return told

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def chat_body(self, request: Request) -> JsonObject:
        """Return the JSON object that asks for `request`."""
        raise NotImplementedError

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `chat` would send, the key masked."""
        headers = self._endpoint.request_headers(self.stream_type, has_body=True)
        secrets = {*self._endpoint.secrets, self._endpoint.api_key}
        for name, value in headers.items():
            if name == "Authorization":
                headers[name] = f"{value.partition(' ')[0]} ***"
            elif value in secrets or is_secret_name(name):
                headers[name] = "***"
        url = self._endpoint.base_url + self.chat_path + self._endpoint.query
        url = mask_secrets(url)
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
        """Open a reply with a status of success, and close it afterwards."""
        sent = None if body is None else encode_json(body)
        with self._door():
            reply = self._client.open(
                method, path, sent, cancel=cancel, accept=self.stream_type
            )
            try:
                if not _is_success(reply):
                    raise self._errors.status_error(reply, model)
                yield reply
            finally:
                reply.close()

    @contextmanager
    def _door(self) -> Iterator[None]:
        """Let the errors that pass say whom they are about, without the key."""
        try:
            yield
        except LLMWrapError as error:
            name_server(error, str(self._endpoint))
            error.message = without_key(error.message, self._endpoint)
            error.hint = without_key(error.hint, self._endpoint)
            raise

    def _documents(
        self, reply: ByteStream, *, is_streamed: bool = True
    ) -> Iterator[list[Json]]:
        """Yield the JSON documents that each read brought, up to `[DONE]`.

        Those before a broken one are yielded first. One that is not streamed is a
        single line, bounded as a body is. Raises: ProtocolError for what is no JSON,
        IncompleteError for what broke off, LimitError.
        """
        settings = self._settings
        limit = settings.line_limit_bytes if is_streamed else settings.body_limit_bytes
        decoder = ReplyDecoder(limit)
        pieces = reply.pieces() if is_streamed else _bounded(reply, limit)
        for piece in pieces:
            if found := decoder.feed(piece):
                for values in _parsed(found):
                    if decoder.form == "events" and not self.has_events:
                        _check_only_errors(values)
                    yield values
            if decoder.error:
                raise decoder.error
            if decoder.is_done:
                return
        if tail := decoder.flush():
            yield from _parsed_tail(tail)
        if decoder.form == "page":
            title = words_of_page(decoder.text.decode("utf-8", "replace"))
            raise ProtocolError(f"answered with an HTML page: '{title}'")
        if decoder.form == "text":
            words = shown(decoder.text.decode("utf-8", "replace"), self._endpoint)
            raise ProtocolError(f"answered with words where JSON belongs: '{words}'")

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
        """Return the JSON object that a small request brings."""
        document = self._document(
            method, path, body, timeout_s=timeout_s, model=model, base_url=base_url
        )
        if not isinstance(document, dict):
            error = ProtocolError(f"answered no JSON object to {path}")
            name_server(error, str(self._endpoint))
            raise error
        return document

    def _document(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        timeout_s: float,
        model: str = "",
        base_url: str | None = None,
    ) -> Json:
        """Return the JSON that a small request brings.

        `timeout_s` is the whole call's, head and error body included. `base_url` is
        for APIs that stand beside the backend's own.
        """
        cancel = CancelToken(until=time.monotonic() + timeout_s)
        endpoint = self._endpoint._replace(
            base_url=base_url or self._endpoint.base_url,
            connect_timeout_s=min(timeout_s, self._endpoint.connect_timeout_s),
            silence_s=timeout_s,
            is_reused=False,
        )
        client = new_client(endpoint, self._tls, is_lean=self._is_lean)
        sent = None if body is None else encode_json(body)
        try:
            with (
                self._door(),
                closing(client.open(method, path, sent, cancel=cancel)) as reply,
            ):
                if not _is_success(reply):
                    raise self._errors.status_error(reply, model)
                body_bytes = reply.read_all()
                document = parse_json(body_bytes.removeprefix(b"\xef\xbb\xbf"))
                if error := server_error(document):
                    raise self._errors.reported_error(error, model, is_first=True)
                return document
        finally:
            cancel.detach()
            client.close()

    def _listed(
        self,
        document: Json,
        keys: tuple[str, ...],
        make: Callable[[JsonObject], Model],
    ) -> list[Model]:
        """Return the models of a list; of what could not be read a warning is kept."""
        with self._door():
            models, odd = models_of(document, keys, make)
        if odd:
            what = "1 entry" if odd == 1 else f"{odd} entries"
            self._odd = [f"{what} of the models of {self._endpoint} could not be read"]
        return models


def _own_headers(settings: BackendSettings) -> tuple[tuple[str, str], ...]:
    """Return what goes with each request beside the key."""
    if not settings.user:
        return settings.headers
    from base64 import b64encode

    # UTF-8, as servers take it today. See: RFC 7617 section 2.1.
    pair = f"{settings.user}:{settings.password or ''}".encode()
    basic = f"Basic {b64encode(pair).decode()}"
    return (("Authorization", basic), *settings.headers)


def _own_query(settings: BackendSettings) -> str:
    if not settings.query:
        return ""
    from urllib.parse import urlencode

    return f"?{urlencode(settings.query)}"


def _is_success(reply: ByteStream) -> bool:
    return 200 <= reply.status < 300


def _bounded(reply: ByteStream, limit_bytes: int) -> Iterator[bytes]:
    size = 0
    for piece in reply.pieces():
        size += len(piece)
        if size > limit_bytes:
            raise LimitError(
                f"the reply is longer than {format_size(limit_bytes)}",
                hint="limits.body sets the bound",
            )
        yield piece


def _parsed(found: list[bytes]) -> Iterator[list[Json]]:
    """Yield the values of documents, those before a broken one first."""
    values: list[Json] = []
    try:
        values.extend(parse_documents(found))
    except ProtocolError:
        yield values
        raise
    yield values


def _check_only_errors(values: list[Json]) -> None:
    if not all(map(server_error, values)):
        raise ProtocolError("sent an event stream where lines of JSON belong")


def _parsed_tail(tail: list[bytes]) -> Iterator[list[Json]]:
    """Yield what came without its line end, if it is whole."""
    try:
        yield from _parsed(tail)
    except ProtocolError as error:
        if tail[-1].lstrip()[:1] in (b"{", b"["):
            raise IncompleteError("broke off in the middle of its reply") from error
        raise


def encode_json(document: JsonObject) -> bytes:
    """Return the bytes of a request body; lone surrogates become U+FFFD.

    Raises: UsageError for NaN and infinities, which no server could read.
    """
    try:
        text = json.dumps(
            document, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except ValueError as error:
        raise UsageError("an option of the request is no finite number") from error
    return text.encode("utf-8", "replace")


def object_at(document: JsonObject, key: str) -> JsonObject:
    """Return an object that may be missing or null. Raises: ProtocolError."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError(f"the reply has no object where '{key}' belongs")
    return value
