"""From a record of the input to the question that is asked."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..config import Config
from ..errors import ConfigError, LLMWrapError, UsageError
from ..messages import (
    NO_OPTIONS,
    Image,
    Json,
    Message,
    Rendered,
    Request,
    Sampling,
    Schema,
)
from ..prompting.prompt import checked_image, joined_prompt, read_input
from ..prompting.sampling import with_options
from ..prompting.templates import Filled
from ..prompting.text import decoded
from ..templating import INPUT, Library, Prepared
from .reading import Input, InputRecord
from .task import Task

_CHAT_URL = "/v1/chat/completions"


class Common(NamedTuple):
    """What all questions of a batch have in common, by options and operands.

    `text` stands before what an item brings, or is a template over its columns;
    `filled` is the one that `-t` names. `files` are pairs of name and text. `below` are
    the options that others go before: those of the template, the alias, the file.
    `model` is the one that was given for all, empty where it is yet to be found.
    """

    text: str = ""
    filled: Filled | None = None
    files: Sequence[tuple[str, str]] = ()
    images: tuple[Image, ...] = ()
    system: str | None = None
    sampling: Sampling = Sampling()
    options: Mapping[str, Json] = NO_OPTIONS
    below: Mapping[str, Json] = NO_OPTIONS
    model: str = ""
    think: bool | str | None = None
    is_streamed: bool = True
    schema: Schema | None = None


class Maker:
    """Make a task of each record; any thread may call it."""

    def __init__(
        self,
        common: Common,
        config: Config,
        library: Callable[[], Library],
        given: Input,
    ) -> None:
        self._common = common
        self._config = config
        self._library = library
        self._given = given
        self._template: Prepared | None = None
        self._sampling = with_options(common.sampling, common.options, common.below)
        if given.kind in ("csv", "tsv") and not (common.text or common.filled):
            raise UsageError(
                "a table needs a question to put its columns in",
                hint="such as 'Which industry is {{company}} in?', or -t TEMPLATE",
            )

    def check(self, record: InputRecord) -> None:
        """Find out whether a record fits the template, before anybody is asked.

        Raises: ConfigError for a variable or a template that there is not.
        """
        if record.error is not None or not self._has_template(record):
            return
        if "template" not in record.fields:
            template = self._common.filled or Filled(self._inline, {})
            there = {*record.fields, *template.variables, INPUT}
            missing = [
                variable.name
                for variable in template.template.variables
                if variable.is_required and variable.name not in there
            ]
            if missing and not template.is_lax:
                raise ConfigError(
                    f"line {record.line} has nothing called '{missing[0]}', which the"
                    " question wants",
                    hint=f"it has {', '.join(record.fields) or 'nothing'}",
                )
        self._prompt(record)

    def task(self, record: InputRecord) -> Task:
        """Return the task; what is wrong with the record is its error."""
        error, request, rendered = record.error, None, None
        if error is None:
            try:
                request, rendered = self._request(record)
            except LLMWrapError as problem:
                error = problem
        return Task(
            record.id,
            record.line,
            request,
            error,
            record.columns,
            rendered,
            self._common.model,
        )

    def _request(self, record: InputRecord) -> tuple[Request, Rendered | None]:
        if self._given.kind == "openai":
            return self._body(record.fields), None
        common, fields = self._common, record.fields
        messages, rendered = self._messages(record)
        sampling, model, system = self._sampling, "", common.system
        if self._given.kind == "jsonl":
            options = _table(fields, "options")
            if options:
                sampling = with_options(
                    common.sampling,
                    {**common.options, **options},
                    self._common.below,
                )
            model = _text(fields, "model") or ""
            given = _text(fields, "system")
            system = common.system if given is None else given
        if system and messages[0].role != "system":
            messages = [Message("system", system), *messages]
        return (
            Request(
                model=model,
                messages=tuple(messages),
                sampling=sampling,
                think=common.think,
                is_streamed=common.is_streamed,
                schema=common.schema,
            ),
            rendered,
        )

    def _messages(self, record: InputRecord) -> tuple[list[Message], Rendered | None]:
        fields, rendered = record.fields, None
        if self._given.kind == "jsonl" and "messages" in fields:
            messages = _conversation(fields["messages"])
        else:
            prompt, rendered = self._prompt(record)
            messages = [Message("user", prompt)]
        images = (*self._common.images, *self._images(fields))
        if images:
            last = messages[-1]
            messages[-1] = last._replace(images=(*last.images, *images))
        if not any(m.content.strip() or m.images for m in messages):
            raise UsageError("there is nothing to ask")
        return messages, rendered

    def _has_template(self, record: InputRecord) -> bool:
        if self._given.kind in ("lines", "files", "openai"):
            return False
        if self._given.kind == "jsonl" and not (
            self._common.text or self._common.filled or "template" in record.fields
        ):
            return False  # what has no question is an item that fails
        return "prompt" not in record.fields and "messages" not in record.fields

    def _prompt(self, record: InputRecord) -> tuple[str, Rendered | None]:
        """Return what is asked, and which template made it."""
        common, fields, kind = self._common, record.fields, self._given.kind
        if kind == "files":
            limit = self._config.limits.prompt_bytes
            data = read_input(record.text, limit)
            return self._joined([(record.id, decoded(data, record.id).text)], ""), None
        if kind == "lines":
            return self._filled(record.text)
        if kind == "jsonl" and "prompt" in fields:
            return self._filled(_text(fields, "prompt") or "")
        if kind == "jsonl" and "template" in fields:
            name = _text(fields, "template") or ""
            filled = Filled(self._library().prepared(name), _table(fields, "vars"))
            return filled.timed_prompt(common.text)
        if common.filled is not None:
            given = common.filled
            known = {variable.name for variable in given.template.variables}
            own = {k: v for k, v in fields.items() if k in known}
            filled = given._replace(variables={**given.variables, **own})
            return filled.timed_prompt(common.text)
        if kind == "jsonl" and not common.text:
            raise UsageError("there is no 'prompt', 'messages' or 'template'")
        known = {variable.name for variable in self._inline.variables}
        own = {k: v for k, v in fields.items() if k in known}
        text = self._inline.render(own)
        return joined_prompt([], self._common.files, text), None

    @property
    def _inline(self) -> Prepared:
        if self._template is None:
            self._template = self._library().inline(self._common.text)
        return self._template

    def _filled(self, text: str) -> tuple[str, Rendered | None]:
        if self._common.filled is None:
            return self._joined([], text), None
        words = [self._common.text] if self._common.text else []
        given = joined_prompt(words, self._common.files, text)
        return self._common.filled.timed_prompt(given)

    def _joined(self, files: Sequence[tuple[str, str]], piped: str) -> str:
        words = [self._common.text] if self._common.text else []
        return joined_prompt(words, [*self._common.files, *files], piped)

    def _images(self, fields: Mapping[str, Json]) -> list[Image]:
        if self._given.kind != "jsonl":
            return []
        names = fields.get("images", [])
        if not isinstance(names, list):
            raise UsageError("'images' is no list of files")
        limit = self._config.limits.body_bytes
        return [checked_image(read_input(str(n), limit), str(n)) for n in names]

    def _body(self, fields: Mapping[str, Json]) -> Request:
        """Return the request of a line of OpenAI's batches."""
        url, body = fields.get("url"), fields.get("body")
        if url != _CHAT_URL or fields.get("method", "POST") != "POST":
            raise UsageError(f"only POST {_CHAT_URL} can be asked, not '{url}'")
        if not isinstance(body, dict):
            raise UsageError("'body' is no object")
        options = dict(body)
        if options.pop("stream", False):
            raise UsageError("'stream' is nothing that a batch can do")
        messages = _conversation(options.pop("messages", None))
        model = _text(options, "model") or ""
        options.pop("model", None)
        if "max_completion_tokens" in options:
            options["max_tokens"] = options.pop("max_completion_tokens")
        sampling = with_options(
            self._common.sampling,
            {**self._common.options, **options},
            self._common.below,
        )
        think, is_streamed = self._common.think, self._common.is_streamed
        return Request(model, tuple(messages), sampling, think, is_streamed)


def _text(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"'{name}' is no text")


def _table(fields: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = fields.get(name, {})
    if isinstance(value, dict):
        return value
    raise UsageError(f"'{name}' is no object")


def _conversation(given: Json) -> list[Message]:
    if not isinstance(given, list) or not given:
        raise UsageError("'messages' is no list of messages")
    return [_message(one) for one in given]


def _message(given: Json) -> Message:
    match given:
        case {"role": "system" | "developer" | "user" | "assistant" as role, **rest}:
            role = "system" if role == "developer" else role
            content = rest.get("content")
            if isinstance(content, str):
                return Message(role, content)
            if isinstance(content, list):
                return _of_parts(role, content)
    raise UsageError("a message is no object with 'role' and 'content'")


def _of_parts(role: str, parts: Sequence[Json]) -> Message:
    texts, images = [], []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                images.append(_image(url))
            case _:
                raise UsageError("a message has a part that is neither text nor image")
    return Message(role, "\n".join(texts), tuple(images))  # type: ignore[arg-type]


def _image(url: str) -> Image:
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        raise UsageError("an image has to be in the line itself, as data:...;base64")
    try:
        return checked_image(b64decode(data, validate=True), "image")
    except Base64Error as error:
        raise ConfigError("an image is no base64") from error
