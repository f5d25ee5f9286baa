"""List the faults that an HTTP status tells: errors, Retry-After, redirects."""

import time
from collections.abc import Iterator
from email.utils import formatdate

from ..received import ReceivedRequest
from ..speech import Speech, whole_reply
from ..steps import Body, Head, Repeat, Reply, Respond
from ..wire import Header, json_bytes
from .kinds import Build, Kind, Outcome, Tokens, none_of

JSON_STATUSES = (
    *(400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429),
    *(500, 501, 502, 503, 504, 522, 524, 529),
)
HTML_STATUSES = (403, 404, 500, 502, 503, 504)
EMPTY_STATUSES = (401, 403, 404, 429, 500, 502, 503)
RETRY_STATUSES = (408, 429, 503)
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
ELSEWHERE = "/elsewhere"
DAY_S = 86_400

_HUGE_BYTES = 48 * 1024 * 1024
_BLOCK = b"x" * 65536
_PAGE = b"<html><head><title>%d</title></head><body><hr>nginx</body></html>\n"
_DATE_AHEAD_S = 1


def _json(status: int, *headers: Header) -> Build:
    def build(speech: Speech, tokens: Tokens) -> Reply:
        body = json_bytes(speech.error(f"no luck with status {status}", status))
        return whole_reply(body, speech.whole_type, status, headers)

    return build


def _html(status: int) -> Build:
    page = _PAGE % status
    return lambda speech, tokens: whole_reply(page, "text/html", status)


def _empty(status: int) -> Build:
    return lambda speech, tokens: whole_reply(b"", None, status)


def _outcome(status: int) -> Outcome:
    return "refused" if status < 500 and status not in (408, 429) else "failed"


def _errors() -> Iterator[Kind]:
    for status in JSON_STATUSES:
        name, about = f"status_{status}_json", f"status {status} with an error object"
        yield Kind(name, _outcome(status), about, _json(status), none_of)
    for status in HTML_STATUSES:
        name, about = f"status_{status}_html", f"status {status} with a page of HTML"
        yield Kind(name, _outcome(status), about, _html(status), none_of)
    for status in EMPTY_STATUSES:
        name, about = f"status_{status}_empty", f"status {status} without a body"
        yield Kind(name, _outcome(status), about, _empty(status), none_of)


def _dated(status: int) -> Build:
    """Return a builder whose Retry-After is a date just ahead of the request."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        def dated(request: ReceivedRequest) -> Reply:
            date = formatdate(time.time() + _DATE_AHEAD_S, usegmt=True)
            return _json(status, ("Retry-After", date))(speech, tokens)

        return (Respond(dated),)

    return build


def _retries() -> Iterator[Kind]:
    values = {"seconds": "1", "nonsense": "soon", "negative": "-3"}
    for status in RETRY_STATUSES:
        for name, value in values.items():
            yield Kind(
                f"retry_after_{name}_{status}",
                "whole",
                f"once status {status} with Retry-After: {value}, then it works",
                _json(status, ("Retry-After", value)),
                none_of,
                strikes=1,
            )
        yield Kind(
            f"retry_after_date_{status}",
            "whole",
            f"once status {status} with a Retry-After a second ahead, then it works",
            _dated(status),
            none_of,
            strikes=1,
        )
        yield Kind(
            f"retry_after_day_{status}",
            "failed",
            f"status {status} with a Retry-After of a day, always",
            _json(status, ("Retry-After", str(DAY_S))),
            none_of,
        )


def _redirecting(status: int, path: str | None, host: str | None = None) -> Build:
    """Return a builder that points to `path` (None: where it was) on `host`."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        def pointing(request: ReceivedRequest) -> Reply:
            here = request.headers.get("host", "")
            place = f"{host}:{here.rpartition(':')[2]}" if host else here
            location = f"http://{place}{path or request.target}"
            return whole_reply(b"", None, status, (("Location", location),))

        return (Respond(pointing),)

    return build


def _redirects() -> Iterator[Kind]:
    for status in REDIRECT_STATUSES:
        yield Kind(
            f"redirect_{status}",
            "redirect",
            f"status {status} to {ELSEWHERE} on the same server",
            _redirecting(status, ELSEWHERE),
            none_of,
        )
    for status in (302, 307, 308):
        yield Kind(
            f"redirect_loop_{status}",
            "redirect",
            f"status {status} to the very same address",
            _redirecting(status, None),
            none_of,
        )
        yield Kind(
            f"redirect_other_host_{status}",
            "redirect",
            f"status {status} to {ELSEWHERE} on host localhost, same port: who follows "
            "is seen in the requests",
            _redirecting(status, ELSEWHERE, "localhost"),
            none_of,
        )


def _huge_error(speech: Speech, tokens: Tokens) -> Reply:
    before, after = b'{"error":"', b'"}'
    size = len(before) + _HUGE_BYTES + len(after)
    head = Head(500, (("Content-Type", speech.whole_type),), "length", size)
    text = Repeat((Body(_BLOCK),), _HUGE_BYTES // len(_BLOCK))
    return (head, Body(before), text, Body(after))


STATUS_KINDS = (
    *_errors(),
    Kind(
        "status_404_text",
        "refused",
        "status 404 with the text of a web server",
        lambda speech, tokens: whole_reply(b"404 page not found", "text/plain", 404),
        none_of,
    ),
    Kind(
        "status_500_broken_json",
        "failed",
        "status 500 with half an error object",
        lambda speech, tokens: whole_reply(b'{"error":{"mess', speech.whole_type, 500),
        none_of,
    ),
    Kind(
        "status_500_huge",
        "failed",
        "status 500 with an error text of 48 MiB",
        _huge_error,
        none_of,
    ),
    Kind(
        "status_500_cut",
        "failed",
        "status 500 whose body is shorter than its Content-Length",
        lambda speech, tokens: (
            Head(500, (("Content-Type", speech.whole_type),), "length", 1000),
            Body(b'{"error":"half'),
        ),
        none_of,
    ),
    Kind(
        "status_600",
        "failed",
        "a status of 600, which RFC 9110 (section 15) has clients take for a 5xx",
        _empty(600),
        none_of,
    ),
    Kind(
        "fails_once_with_500_then_works",
        "whole",
        "status 500 once, then it works",
        _json(500),
        none_of,
        strikes=1,
    ),
    Kind(
        "fails_twice_with_503_then_works",
        "whole",
        "status 503 twice, then it works",
        _json(503),
        none_of,
        strikes=2,
    ),
    Kind(
        "loading_model_then_works",
        "whole",
        "status 503 'Loading model' three times, as llama.cpp at its start",
        lambda speech, tokens: whole_reply(
            json_bytes(
                {
                    "error": {
                        "message": "Loading model",
                        "type": "unavailable_error",
                        "code": 503,
                    }
                }
            ),
            "application/json; charset=utf-8",
            503,
            (("Server", "llama.cpp"), ("Connection", "close")),
        ),
        none_of,
        strikes=3,
        dialects=("openai",),
    ),
    *_retries(),
    *_redirects(),
    Kind(
        "redirect_nowhere",
        "redirect",
        "status 307 without a Location",
        lambda speech, tokens: whole_reply(b"", None, 307),
        none_of,
    ),
)
