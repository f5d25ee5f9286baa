r"""What a server says is wrong, whatever shape it says it in. No I/O.

An error is an object, text, a list, JSON inside of text, problem+json, FastAPI's
`detail`, Gemini's list of one, an HTML page; it stands alone, beside `choices` or in
one. Here it becomes words without any markup, and a kind::

    {"error": {"message": "model 'x' not found", "type": "not_found_error"}}
    {"error": "{\"error\":{\"code\":400,\"message\":\"request (5024 tokens) ...\"}}"}
    {"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}
    [{"error": {"code": 400, "message": "...", "status": "INVALID_ARGUMENT"}}]
    <html><head><title>502 Bad Gateway</title></head> ...

What becomes of it, an exit status and a hint, is replies.py's.

See: RFC 9457 (problem details); the servers' own documents.
"""

import json
import re
from typing import Literal, NamedTuple, TypeAlias

from ..messages import Json

ErrorKind: TypeAlias = Literal[
    "", "too_long", "unknown_model", "unknown_path", "unauthorized", "bad_option",
    "busy", "loading", "out_of_memory",
]  # fmt: skip
"""What is wrong, as far as it can be told."""

_WORD_KEYS = (
    "message", "msg", "error_message", "error_msg", "errormessage", "faultstring",
    "detail", "details", "description", "error_description", "reason", "exception",
    "text", "info", "error", "errors", "fault", "cause",
)  # fmt: skip
_ERROR_KEYS = frozenset((
    "error", "errors", "detail", "fault", "faultstring", "error_message", "error_msg",
    "errormessage", "msg", "exception",
))  # fmt: skip
_ANSWER_KEYS = ("choices", "delta", "content", "response", "output", "data")
_CODE_KEYS = ("code", "status", "status_code", "http_status_code", "type", "title")
_ADDRESS_KEYS = ("signin_url", "login_url", "auth_url", "verification_uri", "url")
_DEEPEST = 8
_MOST_ITEMS = 3
_MOST_TEXT = 64 * 1024

# Patterns are compiled when something is wrong: it would take each short run 8 ms.
_ADDRESS = r"https?://[^\s\"'<>\\)\]}]+"
# None of these goes on from each of many beginnings to the end of a text.
_TITLE = r"(?is)<(title|h1)\b[^<>]*>(.{0,1000}?)</\1\s*>"
_TAG = r"<[^<>]*>"
_HIDDEN, _HIDDEN_END = r"(?is)<(?:script|style)\b.*", r"(?i)</(?:script|style)\s*>"
_BYTES = r"""(?s)b(['"])(.*)\1$"""
_QUOTED = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_NAMED_WORDS = (
    rf"""(?i)["'](?:message|msg|error|detail|description|title)["']\s*:\s*{_QUOTED}"""
)

# Not "too many tokens" alone, nor "limit": that is what rate limits say, too.
_TOO_LONG = r"""(?x)
    exceed_context_size | context[ _-]?(?:length|size|window)[ _-]?(?:is[ ])?exceed
  | context[ _-](?:length|size|window)[ ]has[ ]been[ ]exceeded
  | (?:exceed|greater|longer|larger|more|over|beyond|fit)\w*[ ](?:\w+[ ]){0,6}?
    (?:\w+'s[ ])?(?:maximum[ ])?context
  | (?:maximum|max)[ ](?:model's[ ])?(?:context|model|prompt|sequence|input)[ ]
    (?:length|size|window|tokens?)
  | context[ ](?:length|size|window)[ ](?:of|is)[ ](?:only[ ])?\d
  | context[ ]window[ ]exceeds | exceeded[ ]model[ ]token[ ]limit
  | tokens?[ ]to[ ]keep | keep[ ]the[ ]first[ ]\d+[ ]tokens
  | (?:prompt|inputs?|request|message|conversation|query)[ ](?:is[ ]|are[ ])?
    too[ ](?:long|large)
  | (?:prompt|input)[ ](?:token[ ]count|length)[ ].{0,60}exceed
  | prompt[ ]token[ ]count[ ]of[ ]\d+ | configured[ ]context[ ]size
  | inputs?`?[ ]tokens[ ]\+[ ]`?max_new_tokens
  | must[ ]have[ ]less[ ]than[ ]\d+[ ]tokens
  | reduce[ ](?:the[ ]|your[ ])?(?:length|size)[ ]of[ ](?:the[ ]|your[ ])?
    (?:messages|prompt|input)
  | range[ ]of[ ]input[ ]length | context[ _]?(?:overflow|is[ ]full)
  | exceed\w*[ ](?:the[ ])?max\w*[ ](?:allowed[ ]|total[ ])?
    (?:input|sequence|number[ ]of(?:[ ]input)?[ ]tokens|tokens?[ ]allowed|length)
  | token[ ]limit[ ]exceed | (?:input|prompt)[ ]tokens?[ ]exceed
  | string_above_max_length | too[ ]many[ ](?:input|prompt)[ ]tokens
  | too[ ]many[ ]tokens[ ]in[ ](?:the|your) | larger[ ]than[ ](?:the[ ])?kv[ ]cache
  | \bn_ctx\b | prompt[ ]?超长 | 输入.{0,6}超 | 上下文.{0,6}超 | 超.{0,6}最大长度
"""
_RATE = r"per (?:minute|second|day|hour)|rate.?limit|\b[tr]p[md]\b|quota"
_UNKNOWN_MODEL = r"""(?xs)
    model_?not_?found | unknown[ _]model | no[ ]models?[ ](?:is[ ]|are[ ])?loaded
  | not[ ]found,[ ]try[ ]pulling | no[ ]such[ ]model | model_decommissioned
  | \bmodels?\b.{0,200}?
    (?:\bnot[ ]found|does[ ]not[ ]exist|doesn't[ ]exist|not[ ]exist|decommissioned
    |no[ ]longer[ ]available|isn't[ ]available|is[ ]not[ ]available
    |not[ ]supported[ ]by[ ]any)
  | not[ ]found:?[ ](?:the[ ])?model | no[ ]endpoints[ ]found
  | (?:invalid|not[ ]a[ ]valid)[ ]model(?:[ ](?:name|id))
  | no[ ]healthy[ ]deployments?[ ]for[ ]this[ ]model | unable[ ]to[ ]access[ ]model
  | (?:could[ ]not|cannot|can't)[ ]find[ ](?:the[ ])?model
"""
_UNKNOWN_PATH = (
    r"unexpected endpoint|file not found|404 page not found|invalid url|no route"
    r"|unknown (?:path|route|endpoint)|cannot post /"
)
_UNAUTHORIZED = (
    r"unauthori[sz]ed|authentication|invalid_token|not authenticated|sign ?in"
    r"|(?:invalid|incorrect|missing|wrong|no)[ _]api[ _-]?key|log ?in to|forbidden"
    r"|permission denied"
)
_LOADING = (
    r"loading model|model is (?:still )?(?:being )?load(?:ing|ed)\b|still loading"
    r"|is (?:currently|still) loading|is being loaded|warming up"
)
_OUT_OF_MEMORY = (
    r"out of (?:\w+ )?memory|more system memory|(?:insufficient|not enough) (?:\w+ )?"
    r"memory|outofmemory|cudamalloc failed|(?:unable|failed) to allocate"
)
_BAD_OPTION = r"option .{1,60} must be of type |unsupported type .{0,20}for option "
_BUSY = (
    r"overload|too many requests|rate.?limit|server busy|is busy|at capacity"
    r"|queue is full|no slots? available|temporarily unavailable"
)
_ABOUT_SCHEMA = r"grammar|schema|response_format|\bregex\b"
_KINDS: tuple[tuple[str, ErrorKind], ...] = (
    (_OUT_OF_MEMORY, "out_of_memory"),
    (_BAD_OPTION, "bad_option"),
    (_TOO_LONG, "too_long"),
    (_LOADING, "loading"),
    (_UNKNOWN_MODEL, "unknown_model"),
    (_UNKNOWN_PATH, "unknown_path"),
    (_UNAUTHORIZED, "unauthorized"),
    (_BUSY, "busy"),
)
"""Patterns of what is said, in lower case; the first that is found counts."""


class ServerError(NamedTuple):
    """An error that a server reports: what it says, and of which kind it is.

    `status` is the HTTP status it names itself, if any; `address` is one to visit;
    the tokens are those of a prompt that is too long and of the context.
    """

    message: str
    kind: ErrorKind = ""
    status: int | None = None
    address: str = ""
    prompt_tokens: int | None = None
    context_tokens: int | None = None


def server_error(document: Json) -> ServerError | None:
    """Return the error that a parsed reply, or a chunk of one, reports.

    None when it reports none: `error` may be there and say nothing, and what holds a
    piece of an answer is no error for having a `message`.
    """
    if isinstance(document, list):
        return next(filter(None, map(server_error, _objects(document))), None)
    if not isinstance(document, dict):
        return None
    found = _nested_error(document)
    return _made_of(found) if found is not None else None


def is_about_schema(error: ServerError) -> bool:
    """Tell whether it is the schema of the request that the server cannot use."""
    return re.search(_ABOUT_SCHEMA, error.message.lower()) is not None


def error_of_body(body: bytes) -> ServerError:
    """Return what a reply with an error status says, whatever it consists of."""
    text = body[:_MOST_TEXT].decode("utf-8", "replace").lstrip("\ufeff").strip()
    for line in text.split("\n"):
        # An event stream may bring the error of a reply that never began.
        if line.startswith("data:") and line[5:].strip() not in ("", "[DONE]"):
            text = line[5:].strip()
            break
    document = _parsed(text)
    if document is None or isinstance(document, str):
        return _made_of(text)
    reported = server_error(document)
    return reported or _made_of(document)


def words_of_page(text: str) -> str:
    """Return what a page of HTML says, empty when it says nothing."""
    from html import unescape  # late, as the patterns

    found = re.search(_TITLE, text)
    inside = found[2] if found else text
    *before, rest = re.split(_HIDDEN_END, inside)
    shown = " ".join([*(re.sub(_HIDDEN, "", part) for part in before), rest])
    return _one_line(unescape(re.sub(_TAG, " ", shown)))


def _nested_error(document: dict[str, Json]) -> Json:
    """Return the part of an object that reports an error, None without any."""
    if document.get("error"):
        return document
    if "error" in (document.get("object"), document.get("type")):
        return document
    for choice in _objects(document.get("choices")):
        for holder in (choice, *_objects(choice.get("delta"), choice.get("message"))):
            if holder.get("error"):
                return holder
    if any(map(document.get, _ANSWER_KEYS)):
        return None
    message = document.get("message")
    is_answer = "choices" in document or "done" in document
    if isinstance(message, str) and message and not is_answer:
        return document
    named = [key for key in document if key.lower() in _ERROR_KEYS]
    return document if any(map(document.get, named)) else None


def _objects(*values: Json) -> list[dict[str, Json]]:
    items = [
        item
        for value in values
        for item in (value if isinstance(value, list) else [value])
    ]
    return [item for item in items if isinstance(item, dict)]


def _made_of(value: Json) -> ServerError:
    words = _one_line(_words(value, 0)) or "no explanation"
    facts = _Facts()
    facts.look(value, 0)
    said = " ".join([*facts.codes, words]).lower()
    return ServerError(
        words,
        _kind_of(said),
        facts.status,
        facts.address or _address_in(words),
        facts.prompt_tokens,
        facts.context_tokens,
    )


def _kind_of(said: str) -> ErrorKind:
    for pattern, kind in _KINDS:
        if kind == "too_long" and re.search(_RATE, said):
            continue
        if re.search(pattern, said):
            return kind
    return ""


class _Facts:
    """What an error tells beside its words, wherever in it."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.status: int | None = None
        self.address = ""
        self.prompt_tokens: int | None = None
        self.context_tokens: int | None = None

    def look(self, value: Json, depth: int) -> None:
        """Look into a value and what is in it."""
        if depth > _DEEPEST:
            return
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, list):
            for item in value[:_MOST_ITEMS]:
                self.look(item, depth + 1)
        if not isinstance(value, dict):
            return
        for key, item in value.items():
            self._note(key.lower(), item)
            if isinstance(item, dict | list | str):
                self.look(item, depth + 1)

    def _note(self, key: str, item: Json) -> None:
        if key in _CODE_KEYS:
            if isinstance(item, str):
                self.codes.append(item)
            number = int(item) if isinstance(item, str) and item.isdecimal() else item
            if isinstance(number, int) and 400 <= number < 600:
                self.status = self.status or number
        elif key in _ADDRESS_KEYS and isinstance(item, str):
            self.address = self.address or _address_in(item)
        elif key == "n_prompt_tokens" and isinstance(item, int):
            self.prompt_tokens = item
        elif key == "n_ctx" and isinstance(item, int):
            self.context_tokens = item


def _address_in(text: str) -> str:
    found = re.search(_ADDRESS, text)
    return found[0].rstrip(".,;:") if found else ""


def _words(value: Json, depth: int) -> str:
    if depth > _DEEPEST or value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return _words_of_text(value, depth)
    if isinstance(value, list):
        said = [_words(item, depth + 1) for item in value[:_MOST_ITEMS]]
        return "; ".join(filter(None, said))
    if isinstance(value, dict):
        return _words_of_object(value, depth)
    return str(value)


def _words_of_object(value: dict[str, Json], depth: int) -> str:
    lower = {key.lower(): item for key, item in value.items()}
    if isinstance(lower.get("message"), dict):
        del lower["message"]  # A piece of an answer.
    said = next(filter(None, (_words(lower.get(k), depth + 1) for k in _WORD_KEYS)), "")
    if title := _words(lower.get("title"), depth + 1):  # problem+json
        said = title if not said or said in title else f"{title}: {said}"
    if isinstance(place := lower.get("loc"), list):  # FastAPI
        said = f"{'.'.join(str(part) for part in place)}: {said}"
    if more := _upstream_words(lower.get("metadata"), depth):  # OpenRouter
        said = f"{said}: {more}"
    if said:
        return said
    simple = [
        f"{key} {item if isinstance(item, str) else json.dumps(item)}"
        if not isinstance(item, dict | list)
        else f"{key}: {_words(item, depth + 1)}"
        for key, item in value.items()
        if item not in (None, "", [], {})
    ]
    return ", ".join(simple[:_MOST_ITEMS])


def _upstream_words(metadata: Json, depth: int) -> str:
    """Return what the server behind a gateway said."""
    return _words(metadata.get("raw"), depth + 1) if isinstance(metadata, dict) else ""


def _words_of_text(text: str, depth: int) -> str:
    """Return text without the JSON, the HTML or the Python in it."""
    text = text[:_MOST_TEXT].strip()
    if text[:1] == '"' and isinstance(inner := _parsed(text), str):
        text = inner
    if wrapped := re.match(_BYTES, text):
        text = wrapped[2]
    if text[:1] == "<" and re.search(_TAG, text):
        return words_of_page(text) or "an HTML page"
    if "{" not in text and "[" not in text:
        return text
    return _without_data(text, depth)


def _without_data(text: str, depth: int) -> str:
    parts: list[str] = []
    at = 0
    for _ in range(_DEEPEST):
        start = min((i for i in (text.find("{", at), text.find("[{", at)) if i >= 0),
                    default=-1)  # fmt: skip
        if start < 0:
            break
        value, end = _data_at(text, start)
        parts.append(text[at:start])
        parts.append(_words(value, depth + 1))
        at = end
    said = "".join([*parts, text[at:]])
    if said.startswith("[") and said.endswith("]"):
        whole = _parsed(said)
        return _words(whole, depth + 1) if isinstance(whole, list) else said
    return said


def _data_at(text: str, start: int) -> tuple[Json, int]:
    """Return what JSON or Python has at a place, and where it ends."""
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    end = _closing(text, start)
    python = _python_value(text[start:end])
    if python is not None:
        return python, end
    # Cut off, or of a kind nobody knows: what is named in it is all there is.
    named = re.search(_NAMED_WORDS, text[start:end])
    return (_unquoted(named[1]) if named else ""), end


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        if text[index] in "{[":
            depth += 1
        elif text[index] in "}]":
            depth -= 1
            if not depth:
                return index + 1
    return len(text)


def _python_value(text: str) -> Json:
    """Return what a Python program printed instead of JSON, None for nothing known."""
    from ast import literal_eval  # late: few errors need it

    try:
        value = literal_eval(text)
        return json.loads(json.dumps(value, default=str))  # type: ignore[no-any-return]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _unquoted(quoted: str) -> str:
    return quoted[1:-1].replace('\\"', '"').replace("\\'", "'").replace("\\n", " ")


def _parsed(text: str) -> Json:
    if text[:1] not in ("{", "[", '"'):
        return None
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _one_line(text: str) -> str:
    return " ".join(text.split()).strip(" ,;")
