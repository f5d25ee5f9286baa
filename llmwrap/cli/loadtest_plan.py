"""From the options of `loadtest` to what is to be done."""

from __future__ import annotations

import argparse

from ..loadtest.plan import Load
from ..loadtest.prompts import (
    Prompts,
    built_in_prompts,
    cache_prompts,
    made_prompts,
    read_prompts,
)
from ..loadtest.templates import filled_prompts, template_prompts
from ..loadtest.trial import Plan
from ..messages import Message, Request, Sampling
from ..prompting.prompt import decoded
from ..prompting.sampling import with_options
from ..prompting.templates import open_library
from .session import Session
from .template_options import filled_template

_CONCURRENCY, _REQUESTS = 10, 100
_HIT_RATIO = 0.8


def plan_of(args: argparse.Namespace, session: Session) -> Plan:
    """Return what the options ask for. Raises: UsageError, ConfigError."""
    load = _load(args)
    base = _prompts(args, session)
    prompts, cache = base, args.cache or "off"
    if args.test_cache:
        share = _HIT_RATIO if args.hit_ratio is None else args.hit_ratio
        prompts, cache = cache_prompts(base, share, load.seed), "test"
    sampling = Sampling(
        temperature=args.temperature, max_tokens=args.max_tokens, seed=args.seed
    )
    defaults = session.config.defaults
    request = Request(
        model="",
        messages=_system(args, session),
        sampling=with_options(sampling, dict(args.option), defaults.options),
        think=args.think,
    )
    return Plan(load, request, prompts, base, args.slo, cache)


def _load(args: argparse.Namespace) -> Load:
    requests = args.requests
    if requests is None and args.duration is None:
        requests = _REQUESTS
    concurrency = args.concurrency
    if concurrency is None and args.rate is None:
        concurrency = _CONCURRENCY
    return Load(
        concurrency=concurrency,
        requests=requests,
        duration_s=args.duration,
        rate_per_s=args.rate,
        arrival=args.arrival,
        warmup=args.warmup,
        seed=args.seed or 0,
    )


def _prompts(args: argparse.Namespace, session: Session) -> Prompts:
    if args.test_templates:
        library = open_library(session.config, session.context.environ)
        return template_prompts(library)
    if filled := filled_template(args, session):
        return filled_prompts(filled, "")
    if args.prompt_tokens:
        return made_prompts(args.prompt_tokens, args.seed or 0)
    if args.prompts:
        text, _ = decoded(session.bytes_of(args.prompts, is_text=False))
        return read_prompts(text, args.prompts)
    return built_in_prompts()


def _system(args: argparse.Namespace, session: Session) -> tuple[Message, ...]:
    text: str | None = args.system
    if text is None:
        text = session.config.defaults.system
    elif text.startswith("@"):
        text = session.text_of(text[1:]).rstrip("\n")
    return (Message("system", text),) if text else ()
