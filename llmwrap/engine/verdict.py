"""What the end of an answer means for whoever asked. Pure."""

from typing import NamedTuple

from ..backends.options import own_limit
from ..ends import end_of
from ..errors import IncompleteError
from ..messages import Completion, End, Request, Usage


class Verdict(NamedTuple):
    """What the end of an answer means: how it ended, and what is to be said of it.

    With an `error` it is no answer; with a `warning` it is one that is not kept.
    """

    end: End
    error: IncompleteError | None = None
    warning: str = ""
    note: str = ""


def judged(
    request: Request, completion: Completion, tool: str, *, is_assumed: bool
) -> Verdict:
    """Return what is to be made of an answer whose end marker came.

    `tool` is the one that the model calls, if any. `is_assumed` says that nothing but
    silence came behind the marker.
    """
    reason = completion.finish_reason or ""
    end = end_of(reason)
    if end in ("withheld", "broken"):
        return Verdict(end, IncompleteError(_LOST[end].format(reason)))
    if end == "cut":
        is_own = _is_own_limit(request, completion.usage)
        if not is_own:
            return Verdict(end, _cut_error(request, completion))
        if request.schema:
            return Verdict(end, IncompleteError(_CUT_VALUE, hint=_CUT_VALUE_HINT))
    if not completion.text:
        return _judged_empty(completion, tool, end)
    if tool or end == "called":
        what = (
            f"the model also called the tool '{tool}'" if tool else "a tool was called"
        )
        return Verdict("called", warning=f"{what}; llmwrap offers none")
    if end == "unknown":
        return Verdict(
            end,
            warning=f"the answer of '{completion.model}' ended with '{reason}', which"
            " llmwrap does not know; it may not be whole",
        )
    if is_assumed:
        return Verdict(
            "assumed",
            warning=f"the answer of '{completion.model}' seems to be whole, but"
            f" {completion.backend} fell silent instead of ending it",
        )
    note = "the answer ends at the length limit you set" if end == "cut" else ""
    return Verdict(end, note=note)


_CUT_VALUE = "the answer was cut at the limit you set, and half of a JSON value is none"
_CUT_VALUE_HINT = "a larger --max-tokens leaves room for all of it"
_LOST: dict[End, str] = {
    "withheld": "the rest of the answer is withheld: '{}'",
    "broken": "the answer was given up: '{}'",
}


def _judged_empty(completion: Completion, tool: str, end: End) -> Verdict:
    if tool or end == "called":
        name = f"the tool '{tool}'" if tool else "a tool"
        error = IncompleteError(f"the model called {name}", hint="llmwrap offers none")
        return Verdict("called", error)
    if completion.thinking:
        hint = "--no-think asks for none"
        if end == "cut":
            hint += ", a longer limit leaves room for the answer"
        return Verdict(
            end, IncompleteError("only reasoning came, no answer", hint=hint)
        )
    return Verdict(end, warning=f"the answer of '{completion.model}' is empty")


def _is_own_limit(request: Request, usage: Usage) -> bool:
    """Tell whether it was the user's own limit that ended an answer.

    The count of the reply decides; where there is none, the limit is believed.
    """
    limit = own_limit(request.sampling)
    if limit is None:
        return False
    return not usage.completion_tokens or usage.completion_tokens >= limit


def _cut_error(request: Request, completion: Completion) -> IncompleteError:
    limit, count = own_limit(request.sampling), completion.usage.completion_tokens
    if limit is None:
        return IncompleteError(
            f"the answer of '{completion.model}' was cut at the length limit of"
            f" {completion.backend}",
            hint="set --max-tokens to accept a limit, or a longer context",
        )
    return IncompleteError(
        f"the answer of '{completion.model}' was cut after {count} tokens, before the"
        f" limit of {limit} that you set",
        hint="the context is full: shorten the prompt, or set a longer context",
    )
