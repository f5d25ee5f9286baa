"""LLMWrapper: the engine's face for Python programs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from .config import AliasConfig, Config
from .engine import Answer, Choice, Engine
from .errors import LLMWrapError, UsageError
from .log import LOGGING, Log
from .messages import NO_OPTIONS, Image, Json, Message, Request, Sampling, Schema
from .paths import process_environ
from .prompting.prompt import checked_image, default_system, read_input
from .prompting.sampling import layered, with_options
from .upkeep.cache_care import CacheStats, Filter, cache_stats, clear_cache

if TYPE_CHECKING:
    from .batch.task import Done
    from .templating import Library, Template


class LLMWrapper:
    """Ask local language models, streamed or whole.

    `config` None loads the user's file and LLMWRAP_* variables, as the program does.
    `environ` None is the environment of the process. Any thread may ask; each Answer
    belongs to the thread that reads it. A context manager; `close` cancels what is
    under way. What is said beside answers goes to the logger `llmwrap` of `logging`:
    prompts at level DEBUG, keys never.

        with LLMWrapper() as wrapper:
            print(wrapper.chat("Hello!"))
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        log: Log = LOGGING,
    ) -> None:
        environ = process_environ() if environ is None else environ
        self.config = config or Config.load(environ=environ)
        self._environ = environ
        self._log = log
        self._templates: Library | None = None
        self._engine = Engine(self.config, environ=environ, choice=Choice(), log=log)
        for warning in self.config.warnings:
            log.warning(warning)

    def __repr__(self) -> str:
        return f"<LLMWrapper configured by {self.config.path or 'no file'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is under way and close every connection."""
        self._engine.close()

    def chat(
        self,
        prompt: str | Sequence[Message],
        model: str | None = None,
        *,
        system: str | None = None,
        images: Sequence[str | bytes | Image] = (),
        sampling: Sampling = Sampling(),
        think: bool | str | None = None,
        options: Mapping[str, Json] = NO_OPTIONS,
        schema: Mapping[str, Json] | str | None = None,
    ) -> Answer:
        """Ask and return the whole answer; its `str()` is the text.

        `prompt` is a question, or the messages of a conversation. `model` may name
        the backend too: `lmstudio/NAME`. `system` takes the place of the system
        messages among these, the empty string leaves none; None is the configured one
        where they have none. `images` are paths, the bytes of files, or Image values,
        and go with the last message. `options` are the server's own (`num_ctx`).
        `schema` is a JSON Schema, or as `--schema` takes it; `value` of the answer is
        then what it says, checked.
        Raises: the errors of llmwrap.errors.
        """
        answer = self.chat_stream(
            prompt,
            model,
            system=system,
            images=images,
            sampling=sampling,
            think=think,
            options=options,
            schema=schema,
        )
        answer.read()
        return answer

    def chat_stream(
        self,
        prompt: str | Sequence[Message],
        model: str | None = None,
        *,
        system: str | None = None,
        images: Sequence[str | bytes | Image] = (),
        sampling: Sampling = Sampling(),
        think: bool | str | None = None,
        options: Mapping[str, Json] = NO_OPTIONS,
        schema: Mapping[str, Json] | str | None = None,
    ) -> Answer:
        """Ask and return the answer under way: iterate it for its chunks.

        Arguments are those of `chat`. Use it in a `with` block: leaving it early
        ends the request on the wire. Raises: UsageError, ConfigError,
        UnreachableError, RefusedError, LimitError; later errors come where the answer
        is read.
        """
        asked = self._asked(model, sampling, think, options, schema)
        messages = self._messages(prompt, system, model, images)
        return self._engine.ask(asked._replace(messages=messages))

    def chat_with_template(
        self,
        name: str,
        variables: Mapping[str, Json],
        model: str | None = None,
        *,
        input: str = "",  # noqa: A002  as templates call it
        system: str | None = None,
        images: Sequence[str | bytes | Image] = (),
        sampling: Sampling = Sampling(),
        think: bool | str | None = None,
        options: Mapping[str, Json] = NO_OPTIONS,
        schema: Mapping[str, Json] | str | None = None,
        is_lax: bool = False,
    ) -> Answer:
        """Ask with a template and return the answer under way, as `chat_stream` does.

        `variables` are plain JSON. `input` is the variable of that name, and follows
        the text of a template without one. `is_lax` lets variables be missing and
        superfluous. The rest are those of `chat`. Raises: ConfigError for an unknown
        template or variable, LimitError for a bound, and what `chat_stream` raises.
        """
        from .prompting.templates import Filled  # late: as `templates`

        asked = self._asked(model, sampling, think, options, schema)
        filled = Filled(self.templates.prepared(name), variables, is_lax)
        prompt, rendered = filled.timed_prompt(input)
        messages = self._messages(prompt, system, model, images)
        return self._engine.ask(asked._replace(messages=messages), rendered)

    def batch(
        self,
        prompts: Iterable[str | Sequence[Message]],
        model: str | None = None,
        *,
        concurrency: int = 4,
        in_order: bool = False,
        system: str | None = None,
        sampling: Sampling = Sampling(),
        think: bool | str | None = None,
        options: Mapping[str, Json] = NO_OPTIONS,
        schema: Mapping[str, Json] | str | None = None,
    ) -> Iterator[Done]:
        """Ask many questions, several at once, and yield what became of each.

        `prompts` are taken as they are needed, and results handed on as they come (or
        `in_order`), so memory does not grow with their number. `task.id` of a result
        is the number of its prompt, from 1. One that fails has its `error`; after
        three in a row that reach nobody, that is raised. Leaving early ends what is
        under way. The rest are those of `chat`.
        """
        from .batch.crew import Crew  # late: most ask one question
        from .batch.run import Batch, Servers, batch_engine
        from .batch.task import Task

        asked = self._asked(model, sampling, think, options, schema)

        def task(given: tuple[int, str | Sequence[Message]]) -> Task:
            number, prompt = given
            try:
                request = asked._replace(messages=self._messages(prompt, system, model))
            except LLMWrapError as error:
                return Task(str(number), number, None, error)
            return Task(str(number), number, request)

        environ, log = self._environ, self._log
        engine = batch_engine(
            self.config, environ=environ, log=log, concurrency=concurrency
        )
        servers = Servers([engine], log)
        workers = [lambda given: servers.ask(0, task(given))] * concurrency
        crew = Crew(iter(enumerate(prompts, 1)), workers, in_order=in_order)
        batch = Batch(crew, servers)
        try:
            yield from batch.results()
        finally:
            batch.drop()
        if batch.stopped_by:
            raise batch.stopped_by

    def render_template(
        self, name: str, variables: Mapping[str, Json], *, is_lax: bool = False
    ) -> str:
        """Return the text a template makes, and ask nobody. Raises: as above."""
        return self.templates.prepared(name).render(variables, is_lax=is_lax)

    def save_template(self, template: Template) -> str:
        """Keep a template, in place of one of its name, and return its path.

        It goes to the project's directory if one is configured, else to the user's.
        Content with the blocks of Handlebars is brought in. Raises: ConfigError for
        one that is not valid, LimitError, OutputError.
        """
        return self.templates.save(template)

    @property
    def templates(self) -> Library:
        """Return the library of templates, opened at the first use."""
        if self._templates is None:
            # Late: who only chats needs no pystache.
            from .prompting.templates import open_library

            self._templates = open_library(self.config, self._environ)
        return self._templates

    def get_cache_stats(self) -> CacheStats:
        """Return what the response cache holds and how often it had the answer.

        Over all processes of this user. Raises: CacheError.
        """
        return cache_stats(self._engine.cache, self._environ)

    def invalidate_cache_for_model(self, model: str) -> int:
        """Remove the stored answers of a model; return how many. Raises: CacheError."""
        return clear_cache(self._engine.cache, Filter(model=model))

    def clear_cache(self) -> int:
        """Remove all stored answers; return how many. Raises: CacheError."""
        return clear_cache(self._engine.cache, Filter())

    def _asked(
        self,
        model: str | None,
        sampling: Sampling,
        think: bool | str | None,
        options: Mapping[str, Json],
        schema: Mapping[str, Json] | str | None,
    ) -> Request:
        """Return a request that wants its messages yet."""
        sampling = with_options(sampling, options, self._options(model))
        return Request(model or "", (), sampling, think, schema=self._schema(schema))

    def _schema(self, given: Mapping[str, Json] | str | None) -> Schema | None:
        if given is None:
            return None
        from .schemas.reading import read_schema, schema_of  # late: few need it

        if isinstance(given, str):
            return read_schema(given, self._file)
        return schema_of(given)

    def _alias(self, model: str | None) -> AliasConfig | None:
        return self._engine.selector(Choice(model=model) if model else None).alias()

    def _options(self, model: str | None) -> Mapping[str, Json]:
        alias = self._alias(model)
        return layered(self.config.defaults.options, alias.options if alias else {})

    def _messages(
        self,
        prompt: str | Sequence[Message],
        system: str | None,
        model: str | None,
        images: Sequence[str | bytes | Image] = (),
    ) -> tuple[Message, ...]:
        said = [Message("user", prompt)] if isinstance(prompt, str) else list(prompt)
        if not all(isinstance(message, Message) for message in said):
            raise UsageError("a conversation is a list of llmwrap.Message")
        if system is not None:
            said = [message for message in said if message.role != "system"]
        elif all(message.role != "system" for message in said):
            alias = self._alias(model)
            own = alias.system if alias else None
            system = default_system(self.config) if own is None else own
        if not (said and (said[-1].content or said[-1].images or images)):
            raise UsageError("there is nothing to ask")
        if images:
            checked = tuple(self._image(image) for image in images)
            said[-1] = said[-1]._replace(images=(*said[-1].images, *checked))
        return (Message("system", system), *said) if system else tuple(said)

    def _image(self, image: str | bytes | Image) -> Image:
        if isinstance(image, Image):
            return image
        if isinstance(image, bytes):
            return checked_image(image, "image")
        return checked_image(self._file(image), image)

    def _file(self, path: str) -> bytes:
        limit = self.config.limits.body_bytes
        until = time.monotonic() + self.config.streaming.total_timeout_s
        return read_input(path, limit, until)
