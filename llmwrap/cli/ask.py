"""`ask`: one question, the answer streamed to stdout. Floor F7."""

from __future__ import annotations

import argparse

from ..engine import Answer, Engine
from ..engine.prompting import checked_image, joined_prompt
from ..engine.sampling import with_options
from ..errors import Interrupted, LLMWrapError, UsageError
from ..messages import Image, Message, Request, Sampling
from .context import Context
from .output import (
    AtomicFile,
    EventsFront,
    Front,
    JsonFront,
    TextFront,
    Write,
    json_line,
)
from .parser import Command, Parser, add_backend, add_common, count, number, option_pair
from .session import Reasoning, Session

COMMAND = Command(
    name="ask",
    summary="Ask a model one question and stream the answer to stdout. The question"
    " is the operands joined by blanks, then the files, then what is piped in.",
    usage="llmwrap [ask] [OPTION...] [PROMPT...]",
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `ask`."""
    _add_prompt(parser)
    _add_sampling(parser)
    _add_output(parser)
    _add_cache(parser)
    add_backend(parser)
    add_common(parser)


def _add_prompt(parser: Parser) -> None:
    group = parser.add_argument_group("question")
    group.add_argument(
        "-m",
        "--model",
        metavar="M",
        help="model; BACKEND/M names the backend too, a path to a .gguf file means"
        " the embedded one",
    )
    group.add_argument(
        "-s", "--system", metavar="TEXT", help="system prompt; @FILE reads a file"
    )
    group.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        help="add a text file to the prompt, under its name; repeatable",
    )
    group.add_argument(
        "-i",
        "--image",
        metavar="FILE",
        action="append",
        default=[],
        help="image for a vision model, - for stdin; repeatable",
    )
    group.add_argument(
        "-n",
        "--no-stdin",
        action="store_true",
        help="never read stdin (inside 'while read', whose list would be eaten)",
    )


def _add_sampling(parser: Parser) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "-o",
        "--option",
        metavar="K=V",
        action="append",
        default=[],
        type=option_pair,
        help="option of the backend, such as num_ctx=8192; JSON if it parses, else a"
        " string; repeatable",
    )
    group.add_argument("--temperature", metavar="T", type=number, help="randomness")
    group.add_argument(
        "--max-tokens", metavar="N", type=count, help="longest answer, in tokens"
    )
    group.add_argument("--seed", metavar="N", type=int, help="seed of the randomness")
    group.add_argument(
        "--stop",
        metavar="TEXT",
        action="append",
        default=[],
        help="end the answer before TEXT; repeatable",
    )
    group.add_argument("--top-p", metavar="P", type=number, help="nucleus sampling")
    group.add_argument(
        "--think",
        action="store_const",
        const=True,
        dest="think",
        help="ask a reasoning model to reason, and show it on stderr",
    )
    group.add_argument(
        "--no-think",
        action="store_const",
        const=False,
        dest="think",
        help="ask a reasoning model not to reason",
    )
    group.add_argument(
        "--hide-thinking", action="store_true", help="do not show the reasoning"
    )


def _add_output(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="write the answer to FILE, complete or not at all",
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
    group.add_argument(
        "--sanitize",
        choices=("auto", "always", "never"),
        default="auto",
        help="make control characters visible: on a terminal (auto), always or never",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print the request that would be sent, and ask nothing",
    )


def _add_cache(parser: Parser) -> None:
    group = parser.add_argument_group("cache")
    group.add_argument(
        "--cache",
        action="store_const",
        const="use",
        dest="cache",
        help="use the response cache",
    )
    group.add_argument(
        "--no-cache",
        action="store_const",
        const="off",
        dest="cache",
        help="leave the response cache alone",
    )
    group.add_argument(
        "--refresh",
        action="store_const",
        const="refresh",
        dest="cache",
        help="ask anew and store the answer",
    )


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the question; return the exit status of a complete answer, 0."""
    session = Session.of(args, context)
    request = _request(args, session)
    with session.engine(is_one_shot=True) as engine:
        if args.dry_run:
            wire = engine.wire_request(request)
            context.stdout.write(json_line({"version": 1, **wire._asdict()}))
            return 0
        if args.output is None:
            return _show(args, session, engine, request, context.stdout.write)
        file = AtomicFile(args.output)
        try:
            status = _show(args, session, engine, request, file.write)
            file.commit()
        finally:
            file.discard()
    return status


def _show(
    args: argparse.Namespace,
    session: Session,
    engine: Engine,
    request: Request,
    write: Write,
) -> int:
    front = _front(args, session, write)
    reasoning = session.reasoning(
        is_asked=args.think is True, is_hidden=args.hide_thinking
    )
    is_file = args.output is not None
    answer: Answer | None = None
    with session.context.interruptible():
        try:
            with engine.ask(request) as answer:
                front.prepare()
                _show_chunks(answer, front, reasoning)
        except (LLMWrapError, Interrupted) as error:
            reasoning.end()
            if not is_file and not session.context.is_stdout_lost(error):
                front.fail(error, answer.partial.text if answer else "")
            raise
    return 0


def _show_chunks(answer: Answer, front: Front, reasoning: Reasoning) -> None:
    has_started = False
    for chunk in answer:
        if not has_started:
            front.start(answer)
            has_started = True
        if chunk.thinking:
            reasoning.show(chunk.thinking)
        if chunk.text:
            reasoning.end()
        front.show(chunk)
        if front.rests_after_s and not answer.has_more(front.rests_after_s):
            front.rest()
    reasoning.end()
    front.finish(answer.completion)


def _front(args: argparse.Namespace, session: Session, write: Write) -> Front:
    if args.format == "json":
        return JsonFront(write)
    if args.format == "events":
        return EventsFront(write)
    is_terminal = session.context.stdout.is_tty and args.output is None
    if is_terminal and not args.raw and session.context.is_smart_terminal:
        from .screen import MarkdownFront

        color = session.has_color(session.context.stdout)
        return MarkdownFront(session.context, color=color)
    is_cleaned = args.sanitize == "always" or (args.sanitize == "auto" and is_terminal)
    return TextFront(write, is_cleaned=is_cleaned)


def _request(args: argparse.Namespace, session: Session) -> Request:
    images = [_image(name, session) for name in args.image]
    system = _system(args, session)
    prompt = _prompt(args, session, has_images=bool(images))
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", prompt, tuple(images)))
    return Request(
        model="",
        messages=tuple(messages),
        sampling=_sampling(args, session),
        think=args.think,
        is_streamed=args.stream,
    )


def _sampling(args: argparse.Namespace, session: Session) -> Sampling:
    named = Sampling(
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        seed=args.seed,
        top_p=args.top_p,
        stop=tuple(args.stop),
    )
    return with_options(named, dict(args.option), session.config.defaults.options)


def _system(args: argparse.Namespace, session: Session) -> str | None:
    text: str | None = args.system
    if text is None:
        return session.config.defaults.system
    if text.startswith("@"):
        name = text[1:]
        return session.text_of(session.bytes_of(name), name).rstrip("\n")
    return text


def _image(name: str, session: Session) -> Image:
    return checked_image(session.bytes_of(name, is_text=False), name)


def _prompt(args: argparse.Namespace, session: Session, *, has_images: bool) -> str:
    words = list(args.operands)
    files = [
        (name, session.text_of(session.bytes_of(name), name)) for name in args.file
    ]
    piped = ""
    if words == ["-"]:
        words = []
        piped = session.text_of(session.bytes_of("-"), "stdin")
    elif session.reads_stdin and not args.no_stdin:
        piped = session.text_of(session.bytes_of("-"), "stdin")
    prompt = joined_prompt(words, files, piped)
    if not prompt.strip() and not has_images:
        raise UsageError("there is nothing to ask", hint=f"usage: {COMMAND.usage}")
    return prompt
