"""Log records of answers, in OpenTelemetry's words.

See: OpenTelemetry semantic conventions, generative AI, attributes registry.
"""

from __future__ import annotations

import json

from ..backends.base import Backend
from ..log import Log
from ..messages import Completion, Request


def log_request(log: Log, backend: Backend, request: Request) -> None:
    """Say at level debug what is asked; the only place where a prompt is logged."""
    if not log.is_heard("debug"):
        return
    host, port = _host_and_port(backend.address)
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    log.debug(
        f"asking '{request.model}' on {backend.name} at {backend.address}",
        gen_ai__operation__name="chat",
        gen_ai__provider__name=backend.kind,
        gen_ai__request__model=request.model,
        gen_ai__request__max_tokens=request.sampling.max_tokens,
        gen_ai__request__temperature=request.sampling.temperature,
        gen_ai__input__messages=json.dumps(messages, ensure_ascii=False),
        server__address=host,
        server__port=port,
    )


def log_completion(
    log: Log, backend: Backend, request: Request, completion: Completion
) -> None:
    """Say at level info what an answer took; nothing of its text."""
    if not log.is_heard("info"):
        return
    host, port = _host_and_port(backend.address)
    timing, usage = completion.timing, completion.usage
    log.info(
        f"'{completion.model}' answered with {_count(usage.completion_tokens)} tokens"
        f" in {_seconds(timing.e2e_s)}, the first after {_seconds(timing.ttft_s)}",
        gen_ai__operation__name="chat",
        gen_ai__provider__name=backend.kind,
        gen_ai__request__model=request.model,
        gen_ai__response__model=completion.model,
        gen_ai__response__finish_reasons=[completion.finish_reason or ""],
        gen_ai__usage__input_tokens=usage.prompt_tokens,
        gen_ai__usage__output_tokens=usage.completion_tokens,
        server__address=host,
        server__port=port,
        llmwrap__ttft_s=timing.ttft_s,
        llmwrap__e2e_s=timing.e2e_s,
        llmwrap__attempts=completion.attempts,
    )


def _host_and_port(address: str) -> tuple[str | None, int | None]:
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    return parts.hostname, parts.port


def _count(tokens: int | None) -> str:
    return "an unknown number of" if tokens is None else str(tokens)


def _seconds(duration_s: float | None) -> str:
    return "an unknown time" if duration_s is None else f"{duration_s:.3f}s"
