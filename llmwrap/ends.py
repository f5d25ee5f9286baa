"""What the end markers of all dialects mean. No I/O.

The only place that knows the words: `finish_reason`, `done_reason`, `stop_reason`. They
are compared without case and without what is neither letter nor digit, so that
`end_turn`, `endTurn` and `END_TURN` are one word, and `<|eot_id|>` is `eotid`.

What is a good end is a list of what is allowed: a word that nobody knows may mean
anything.

See: OpenAI API reference, chat completions; Ollama docs/api.md; the finish reasons of
Anthropic, Bedrock, Cohere, DeepSeek, Gemini, Hugging Face, Mistral, OpenRouter,
Together and Zhipu in their API references.
"""

from __future__ import annotations

from .messages import End

_GOOD = """
    stop stopped stoptoken stoptokenid stopsequence stopsequences stopstring stopword
    stoptrigger stoppedeos stoppedword eos eostoken eog eogtoken eot eottoken eotid
    eom imend s
    endturn endofturn endoftext endofsequence endofsentence endofmessage end
    complete completed done finish finished success normal natural
"""
_CUT = """
    length maxlength maxtokens maxtoken maxnewtokens maxoutputtokens maxtokensreached
    maxcompletiontokens modellength modelcontextwindowexceeded contextwindowexceeded
    contextlengthexceeded contextlength contextfull contextwindow limit lengthlimit
    tokenlimit tokenlimitreached errorlimit stoppedlimit truncated incomplete compaction
"""
_WITHHELD = """
    contentfilter contentfiltered contentfiltering contentfiltererror contentpolicy
    contentpolicyviolation contentblocked safety imagesafety recitation imagerecitation
    language blocklist prohibitedcontent imageprohibitedcontent spii sensitive refusal
    refused guardrail guardrails guardrailintervened modelarmor moderation flagged
    blocked censored errortoxic escalation violation policyviolation
"""
_BROKEN = """
    abort aborted error errored failed failure fail exception crash cancel cancelled
    canceled interrupted disconnected networkerror servererror internalerror timeout
    timedout insufficientsystemresource insufficientsystemresources overloaded busy
    rejected preempted oom outofmemory malformedresponse malformedfunctioncall
    missingthoughtsignature pauseturn
"""
_CALLED = """
    toolcalls toolcall tooluse tool tools functioncall functioncalls function
    toolexecution unexpectedtoolcall toomanytoolcalls
"""
_NO_ANSWER = frozenset({"load", "unload"})
_NO_WORDS = frozenset({"", "null", "none", "undefined"})

_MEANINGS: dict[str, End] = {
    **dict.fromkeys(_GOOD.split(), "good"),
    **dict.fromkeys(_CUT.split(), "cut"),
    **dict.fromkeys(_WITHHELD.split(), "withheld"),
    **dict.fromkeys(_BROKEN.split(), "broken"),
    **dict.fromkeys(_CALLED.split(), "called"),
}


def end_of(reason: str) -> End:
    """Return what an end marker means; a word that nobody knows is `unknown`."""
    return _MEANINGS.get(_plain(reason), "unknown")


def is_cut(reason: str) -> bool:
    """Tell whether an end marker means that a limit ended the answer."""
    return end_of(reason) == "cut"


def is_no_answer(reason: str) -> bool:
    """Tell whether it was no answer that ended: Ollama loaded a model, or let it go."""
    return reason in _NO_ANSWER


def marker(value: object) -> str:
    """Return the end marker that a field of a reply holds, empty for none.

    It may be null or the word for it, an object with a `type` (SGLang), and, since
    nobody else needs it, whatever else JSON has.
    """
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason")
    if value is None or value is False:
        return ""
    text = value if isinstance(value, str) else str(value)
    return "" if text.strip().lower() in _NO_WORDS else text.strip()


def _plain(reason: str) -> str:
    # Enumerations come with their name: `FinishReason.STOP`.
    last = reason.rpartition(".")[2] or reason
    return "".join(filter(str.isalnum, last)).lower()
