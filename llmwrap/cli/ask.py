"""`ask`: one question, the answer streamed to stdout."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..engine import Answer
from ..errors import Interrupted, LLMWrapError, UsageError
from ..messages import Image, Message, Request, Sampling, Schema
from ..prompting.prompt import checked_image
from ..prompting.sampling import with_options
from .context import Context
from .cron import add_cron, check_cron, why_skipped
from .extract import add_extract, extracted
from .fronts import CodeFront, EventsFront, JsonFront, Paper, Presenter, TextFront
from .options import add_cache, add_conversation, add_question, add_sampling, add_schema
from .output import Output, is_stdout_lost
from .output_file import AtomicFile
from .parser import (
    Command,
    Group,
    Parser,
    add_backend,
    add_common,
)
from .prompt import add_template, add_variables, filled_template, has_input, question
from .session import Session

TYPE_CHECKING = False  # most runs keep nothing
if TYPE_CHECKING:
    from ..engine.conversing import Conversing
    from ..prompting.templates import Filled

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="ask",
    summary="Ask a model one question and stream the answer to stdout. The question"
    " is the operands joined by blanks, then the files, then what is piped in.",
    operands="[PROMPT...]",
)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the question; return the exit status of a complete answer, 0."""
    if args.output == "-":
        args.output = None
    check_cron(args)
    if args.extract is not None and _is_json(args):
        raise UsageError("an answer of a schema has no blocks of code: -x or --schema")
    stage = Stage(args, context)
    try:
        with context.interruptible():
            _ask(args, stage)
    except (LLMWrapError, Interrupted) as error:
        stage.fail(error)
        raise
    return 0


class Stage:
    """Where one answer is shown, so that an error finds it wherever it happens."""

    def __init__(self, args: argparse.Namespace, context: Context) -> None:
        self.context = context
        self.output = context.output
        self.answer: Answer | None = None
        self.front = _structured_front(args, context.output)
        self.conversing: Conversing | None = None
        self.shows_thinking = False
        self._has_stdout = args.output is None
        self.output.sanitize = args.sanitize

    def fail(self, error: LLMWrapError | Interrupted) -> None:
        """Show on stdout what belongs there of an answer that ended early.

        What came of it is kept, if it belongs to a conversation.
        """
        self._show_failure(error)
        if self.conversing and self.answer:
            self.conversing.keep_partial(self.answer.partial)

    def _show_failure(self, error: LLMWrapError | Interrupted) -> None:
        is_usage = error.exit_status <= UsageError.exit_status
        if self.front is None or is_usage or not self._has_stdout:
            return
        if not is_stdout_lost(error):
            self.front.fail(error, self.answer.partial.text if self.answer else "")


def _ask(args: argparse.Namespace, stage: Stage) -> None:
    has_data = args.output is None or args.dry_run
    session = Session.of(args, stage.context, stdout_is_data=has_data)
    stage.shows_thinking = _shows_thinking(args, stage.context)
    if args.save is not None:
        from .save import save  # late: it is seldom done

        save(args, session, named_sampling(args))
        return
    with why_skipped(args, session) as why:
        if not why:
            _answer(args, stage, session)
        elif args.format == "json" and args.output is None:
            stage.output.json({"skipped": why})


def _answer(args: argparse.Namespace, stage: Stage, session: Session) -> None:
    if args.typo:
        session.log.note(
            f"asking about '{args.operands[0]}'; the command is '{args.typo}'"
        )
    conversing = stage.conversing = _conversing(session)
    request = _request(args, session)
    if not _is_json(args):
        args.extract = args.extract or session.carried.extract
    if session.log.is_heard("info"):
        _tell_origins(args, session)
    if conversing:
        carried = session.carried.system
        has_own_system = args.system is not None or carried is not None
        request = conversing.continued(request, has_own_system=has_own_system)
    with session.engine(is_one_shot=True) as engine:
        if args.dry_run:
            stage.output.json(dict(engine.wire_request(request)._asdict()))
            return
        # What was asked for is done when the answer is out: it is kept afterwards.
        answer = _put_out(args, stage, lambda: engine.ask(request, session.rendered))
        if conversing:
            conversing.keep(answer.completion)
        if stage.context.invocation:
            from .direct_records import leave_record

            leave_record(stage.context.invocation, args, session, answer, engine.cache)


def _shows_thinking(args: argparse.Namespace, context: Context) -> bool:
    is_hidden = args.hide_thinking or args.quiet
    return not is_hidden and (bool(args.think) or context.stderr.is_tty)


def _conversing(session: Session) -> Conversing | None:
    choice, config = session.conversation_choice(), session.config.history
    if not choice.is_any(config):
        return None
    from ..engine.conversing import conversing  # late: most runs keep nothing

    return conversing(choice, config, session.context.environ, session.log)


def _put_out(
    args: argparse.Namespace, stage: Stage, ask: Callable[[], Answer]
) -> Answer:
    if args.output is None:
        with ask() as answer:
            _show(args, stage, answer, stage.output)
            stage.context.settle()
        return answer
    paper = AtomicFile(
        args.output,
        until=stage.context.stdout.until,
        is_cleaned=args.sanitize == "always",
        keeps_same=args.if_changed,
    )
    # A file that cannot be written is found out before anything is asked.
    with paper as file, ask() as answer:
        _show(args, stage, answer, file)
        if not file.commit(stage.context.settle):
            stage.context.log.info(f"'{args.output}' is as it was")
    return answer


def _show(args: argparse.Namespace, stage: Stage, answer: Answer, paper: Paper) -> None:
    plain = CodeFront(paper) if args.extract else TextFront(paper)
    stage.front = front = _structured_front(args, paper) or plain
    front.conversation = stage.conversing.id if stage.conversing else ""
    stage.answer = answer
    if args.format == "text" and _is_drawn(args, stage.output):
        stage.output.begin_markdown()
    _show_chunks(stage, front, answer)
    if args.extract:
        front.extracted = extracted(answer.completion, args.extract, stage.context.log)
    front.finish(answer.completion)


def _show_chunks(stage: Stage, front: Presenter, answer: Answer) -> None:
    output, rest_s = stage.output, stage.output.rest_s()
    has_started = False
    for chunk in answer:
        if not has_started:
            front.start(answer)
            has_started = True
        if chunk.thinking and stage.shows_thinking:
            output.thinking(chunk.thinking)
        if chunk.text:
            output.end_thinking()
        front.show(chunk)
        if rest_s and not answer.has_more(rest_s):
            output.rest()
    output.end_thinking()


def _structured_front(args: argparse.Namespace, paper: Paper) -> Presenter | None:
    if args.format == "json":
        return JsonFront(paper)
    if args.format == "events":
        return EventsFront(paper)
    return None


def _is_drawn(args: argparse.Namespace, output: Output) -> bool:
    # What is drawn is cleaned, so who wants it uncleaned wants it as it is.
    is_data = _is_json(args) or args.extract is not None
    is_raw = args.raw or args.sanitize == "never" or args.output is not None
    return output.is_drawn and not (is_raw or is_data)


def _is_json(args: argparse.Namespace) -> bool:
    return args.schema is not None or args.schema_list is not None


def _request(args: argparse.Namespace, session: Session) -> Request:
    schema = schema_of(args, session)  # first: what is piped in may be it
    images = [_image(name, session) for name in args.image]
    filled = filled_template(args, session)
    if filled is not None:
        session.carried = filled.carried
    if schema is None and args.extract is None and session.carried.schema:
        args.schema = session.carried.schema
        schema = schema_of(args, session)
    system = system_of(args, session)
    prompt = _prompt(args, session, filled, has_images=bool(images))
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", prompt, tuple(images)))
    return Request(
        model="",
        messages=tuple(messages),
        sampling=sampling_of(args, session),
        think=args.think,
        is_streamed=args.stream,
        schema=schema,
    )


def schema_of(args: argparse.Namespace, session: Session) -> Schema | None:
    """Return what the answer must be, by options; None for any text."""
    given = args.schema if args.schema is not None else args.schema_list
    if given is None:
        if args.schema_retries is not None and not vars(args).get("template"):
            raise UsageError(
                "--schema-retries is given and no schema", hint="--schema names one"
            )
        return None
    if args.schema is not None and args.schema_list is not None:
        raise UsageError("--schema and --schema-list exclude each other")
    if vars(args).get("extract"):
        raise UsageError("an answer of a schema is no block of code", hint="drop -x")
    from ..schemas.reading import DEFAULT_RETRIES, read_schema  # late: few need it

    retries = args.schema_retries
    return read_schema(
        given,
        session.bytes_of,
        is_list=args.schema is None,
        retries=DEFAULT_RETRIES if retries is None else retries,
    )


def _tell_origins(args: argparse.Namespace, session: Session) -> None:
    """Say what the command line leaves to an alias, a template or the file."""
    layers, brought, alias = session.layers(), session.carried, session.alias()
    if args.model is None and brought.model:
        session.log.info(f"model '{brought.model}' from template '{brought.template}'")
    if alias:
        session.log.info(f"model '{alias.model}' from alias '{alias.name}'")
    if args.system is None and layers.system:
        session.log.info(f"system prompt from {layers.system.origin}")
    sampling = sampling_of(args, session).options
    for name, value in layers.options.items():
        if sampling.get(name) == value and name not in dict(args.option):
            session.log.info(f"option '{name}' from {layers.origin(name)}")
    if args.extract and args.extract == brought.extract:
        session.log.info(f"extract from template '{brought.template}'")
    if args.schema and args.schema == brought.schema:
        session.log.info(f"schema from template '{brought.template}'")


def sampling_of(args: argparse.Namespace, session: Session) -> Sampling:
    """Return how the answer is drawn, by options and configuration."""
    below = session.layers().options
    return with_options(named_sampling(args), dict(args.option), below)


def named_sampling(args: argparse.Namespace) -> Sampling:
    """Return what the options with names of their own say of the sampling."""
    return Sampling(
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        seed=args.seed,
        top_p=args.top_p,
        stop=tuple(args.stop),
    )


def system_of(args: argparse.Namespace, session: Session) -> str | None:
    """Return the system prompt, by options and configuration."""
    text: str | None = vars(args).get("system")
    if text is None:
        layer = session.layers().system
        text = layer and layer.system
    if text is None:
        return None
    if text.startswith("@"):
        return session.text_of(text[1:]).rstrip("\n")
    return text


def _image(name: str, session: Session) -> Image:
    return checked_image(session.bytes_of(name, is_text=False), name)


def _prompt(
    args: argparse.Namespace,
    session: Session,
    filled: Filled | None,
    *,
    has_images: bool,
) -> str:
    prompt = question(args.operands, args, session, reads_piped=not has_input(filled))
    if filled is not None:
        prompt, session.rendered = filled.timed_prompt(prompt)
    if not prompt.strip() and not has_images:
        raise UsageError("there is nothing to ask")
    return prompt


def add_arguments(parser: Parser) -> None:
    """Add the options of `ask`."""
    _add_prompt(parser)
    add_sampling(parser)
    add_schema(parser)
    _add_output(parser)
    add_cache(parser)
    add_conversation(parser)
    add_cron(parser)
    add_backend(parser)
    add_common(parser)


def _add_prompt(parser: Parser) -> None:
    group = parser.add_argument_group("question")
    add_question(group)
    group.add_argument(
        "-n",
        "--no-stdin",
        action="store_true",
        help="never read stdin (inside 'while read', whose list would be eaten)",
    )
    add_template(group)
    add_variables(group)


def _add_output(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="write the answer to FILE, complete or not at all; - is stdout",
    )
    group.add_argument(
        "--format",
        choices=("text", "json", "events"),
        default="text",
        help="text: the answer; json: one object at the end; events: one object a"
        " line as things happen",
    )
    group.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )
    group.add_argument(
        "--raw", action="store_true", help="no Markdown rendering on a terminal"
    )
    add_extract(group)
    group.add_argument(
        "--stream",
        action="store_true",
        default=True,
        help="show the answer while it comes (default)",
    )
    group.add_argument(
        "--no-stream",
        action="store_false",
        dest="stream",
        help="show nothing before the whole answer is there",
    )
    _add_showing(group)


def _add_showing(group: Group) -> None:
    """Add what says how, or whether, the answer is shown."""
    group.add_argument(
        "--sanitize",
        choices=("auto", "always", "never"),
        default="auto",
        help="make control characters visible: on a terminal (auto), always or never,"
        " which leaves Markdown undrawn",
    )
    group.add_argument(
        "--save",
        metavar="NAME",
        help="keep system prompt, model, options and prompt as a template, and ask"
        " nothing",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print the request that would be sent, and ask nothing",
    )
