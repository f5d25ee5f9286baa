"""`ask`: one question, the answer streamed to stdout."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..engine import Answer
from ..errors import Interrupted, LLMWrapError, UsageError
from ..messages import Image, Message, Request, Sampling
from ..prompting.prompt import checked_image
from ..prompting.sampling import with_options
from .ask_options import add_arguments
from .context import Context
from .fronts import EventsFront, Front, JsonFront, Paper, TextFront
from .output import Output, is_stdout_lost
from .output_file import AtomicFile
from .parser import Command
from .question import question
from .session import Session
from .template_options import filled_template, has_input

TYPE_CHECKING = False  # most runs keep nothing
if TYPE_CHECKING:
    from ..engine.conversing import Conversing

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="ask",
    summary="Ask a model one question and stream the answer to stdout. The question"
    " is the operands joined by blanks, then the files, then what is piped in.",
    usage="llmwrap [ask] [OPTION...] [PROMPT...]",
)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the question; return the exit status of a complete answer, 0."""
    if args.output == "-":
        args.output = None
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
    if args.typo:
        session.log.note(
            f"asking about '{args.operands[0]}'; the command is '{args.typo}'"
        )
    conversing = stage.conversing = _conversing(session)
    request = _request(args, session)
    if conversing:
        has_own_system = args.system is not None
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
    return not is_hidden and (args.think is True or context.stderr.is_tty)


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
    is_cleaned = args.sanitize == "always"
    until = stage.context.stdout.until
    # A file that cannot be written is found out before anything is asked.
    with (
        AtomicFile(args.output, until=until, is_cleaned=is_cleaned) as file,
        ask() as answer,
    ):
        _show(args, stage, answer, file)
        file.commit(stage.context.settle)
    return answer


def _show(args: argparse.Namespace, stage: Stage, answer: Answer, paper: Paper) -> None:
    stage.front = front = _structured_front(args, paper) or TextFront(paper)
    front.conversation = stage.conversing.id if stage.conversing else ""
    stage.answer = answer
    if args.format == "text" and _is_drawn(args, stage.output):
        stage.output.begin_markdown()
    _show_chunks(stage, front, answer)


def _show_chunks(stage: Stage, front: Front, answer: Answer) -> None:
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
    front.finish(answer.completion)


def _structured_front(args: argparse.Namespace, paper: Paper) -> Front | None:
    if args.format == "json":
        return JsonFront(paper)
    if args.format == "events":
        return EventsFront(paper)
    return None


def _is_drawn(args: argparse.Namespace, output: Output) -> bool:
    # What is drawn is cleaned, so who wants it uncleaned wants it as it is.
    is_raw = args.raw or args.sanitize == "never" or args.output is not None
    return output.is_drawn and not is_raw


def _request(args: argparse.Namespace, session: Session) -> Request:
    images = [_image(name, session) for name in args.image]
    system = system_of(args, session)
    prompt = _prompt(args, session, has_images=bool(images))
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", prompt, tuple(images)))
    return Request(
        model="",
        messages=tuple(messages),
        sampling=sampling_of(args, session),
        think=args.think,
        is_streamed=args.stream,
    )


def sampling_of(args: argparse.Namespace, session: Session) -> Sampling:
    """Return how the answer is drawn, by options and configuration."""
    named = Sampling(
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        seed=args.seed,
        top_p=args.top_p,
        stop=tuple(args.stop),
    )
    return with_options(named, dict(args.option), session.config.defaults.options)


def system_of(args: argparse.Namespace, session: Session) -> str | None:
    """Return the system prompt, by options and configuration."""
    text: str | None = args.system
    if text is None:
        return session.config.defaults.system
    if text.startswith("@"):
        return session.text_of(text[1:]).rstrip("\n")
    return text


def _image(name: str, session: Session) -> Image:
    return checked_image(session.bytes_of(name, is_text=False), name)


def _prompt(args: argparse.Namespace, session: Session, *, has_images: bool) -> str:
    filled = filled_template(args, session)
    prompt = question(args.operands, args, session, reads_piped=not has_input(filled))
    if filled is not None:
        prompt, session.rendered = filled.timed_prompt(prompt)
    if not prompt.strip() and not has_images:
        raise UsageError("there is nothing to ask", hint=f"usage: {COMMAND.usage}")
    return prompt
