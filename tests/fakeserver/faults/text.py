"""List the faults of text: hostile to terminals, to line splitters, to secrets.

The protocol is right in all of them; what the model, or the server, says is not.
"""

from ..received import ReceivedRequest
from ..speech import Speech, whole_reply
from ..steps import Body, EndBody, Head, Reply, Respond
from ..wire import json_bytes
from .kinds import (
    Build,
    Kind,
    Tokens,
    all_and,
    ended,
    none_of,
    spoken,
)

SEPARATORS = {
    "u2028": "\u2028",
    "u2029": "\u2029",
    "u0085": "\x85",
    "vt": "\x0b",
    "ff": "\x0c",
    "fs": "\x1c",
    "gs": "\x1d",
    "rs": "\x1e",
}
"""What str.splitlines takes for a line end and neither NDJSON nor SSE does."""

TERMINAL_SEQUENCES = {
    "csi_clear": "\x1b[2J\x1b[H",
    "csi_colour": "\x1b[31mred",
    "csi_hidden": "\x1b[8mhidden\x1b[0m",
    "csi_cursor_up": "\x1b[1A\x1b[2Kforged",
    "csi_report": "\x1b[6n",
    "csi_paste": "\x1b[200~rm -rf x\x1b[201~",
    "csi_screen": "\x1b[?1049h",
    "csi_resize": "\x1b[8;1;1t",
    "osc_title": "\x1b]0;forged title\x07",
    "osc_palette": "\x1b]4;0;#ffffff\x07",
    "osc_link": "\x1b]8;;http://evil.invalid/\x1b\\click\x1b]8;;\x1b\\",
    "osc_notify": "\x1b]9;forged\x07",
    "osc_clipboard": "\x1b]52;c;cm0gLXJmIHg=\x07",
    "osc_file": "\x1b]1337;File=inline=1:AAAA\x07",
    "osc_unterminated": "\x1b]0;never ends",
    "dcs": '\x1bP$q"p\x1b\\',
    "dcs_unterminated": "\x1bPnever ends",
    "apc": "\x1b_Gf=24;AAAA\x1b\\",
    "pm": "\x1b^private\x1b\\",
    "sos": "\x1bXstring\x1b\\",
    "ris": "\x1bc",
    "charset": "\x1b(0",
    "shift_out": "\x0e",
    "c1_csi": "\x9b31m",
    "c1_osc": "\x9d0;forged\x9c",
    "c1_dcs": "\x90$q\x9c",
    "carriage_return": "safe\rforged",
    "backspace": "no\x08\x08yes",
    "bell": "\x07",
    "delete": "a\x7fb",
    "nul": "a\x00b",
    "enquiry": "\x05",
    "bidi_override": "\u202egnp.exe\u202c",
    "bidi_isolate": "\u2066hidden\u2069",
    "escape_at_end": "\x1b",
}
"""What a terminal must never get from a model, by name."""

HOSTILE_NAMES = (
    "\x1b]0;forged\x07\x1b[2Jname:latest",
    "../../../etc/passwd",
    "name with  blanks\tand\nlines:1",
    "-rf",
    "--help",
    "$(touch x)`id`;|&",
    "%s%n{0}{{> partial}}[bold]",
    "\u202egnp.exe",
    "a" * 5000,
    "",
    "näme:日本",
    "\x00",
)
"""Names of models that mean something to shells, paths, terminals or templates."""

_SECRET_HEADERS = ("authorization", "x-api-key")


def _saying(*texts: str) -> Build:
    """Return a builder of a good stream that says these pieces after the tokens."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        # Written raw where JSON allows it, as llama.cpp does; Ollama would escape some.
        frames = [speech.frame(json_bytes(speech.piece(text))) for text in texts]
        return (
            *spoken(speech, tokens),
            *(Body(frame) for frame in frames),
            *ended(speech, tokens),
        )

    return build


def _secrets(request: ReceivedRequest) -> str:
    """Return what a client would not like to see again: its keys and its prompt."""
    keys = [request.headers.get(name, "") for name in _SECRET_HEADERS]
    return " ".join([*filter(None, keys), request.body.decode("utf-8", "replace")])


def _echoed_in_text(speech: Speech, tokens: Tokens) -> Reply:
    return (
        *spoken(speech, tokens),
        Respond(lambda request: (Body(speech.text(_secrets(request))),)),
        *ended(speech, tokens),
    )


def _echoed_in_error(speech: Speech, tokens: Tokens) -> Reply:
    return (
        *spoken(speech, tokens),
        Respond(lambda request: (Body(speech.say(speech.error(_secrets(request)))),)),
        EndBody(),
    )


def _echoed_in_status(speech: Speech, tokens: Tokens) -> Reply:
    def refused(request: ReceivedRequest) -> Reply:
        return speech.refusal(f"invalid key: {_secrets(request)}", 401)

    return (Respond(refused),)


def _echoed_in_headers(speech: Speech, tokens: Tokens) -> Reply:
    def refused(request: ReceivedRequest) -> Reply:
        key = request.headers.get("authorization", "")
        head = Head(
            401,
            (("WWW-Authenticate", f'Bearer error="{key}"'),),
            "length",
            reason=f"Not {key}",
        )
        return (head,)

    return (Respond(refused),)


def _listing(speech: Speech, tokens: Tokens) -> Reply:
    return speech.reply(speech.listing(HOSTILE_NAMES))


def _named(speech: Speech, tokens: Tokens) -> Reply:
    name = json_bytes("".join(TERMINAL_SEQUENCES.values()))
    frames = [frame.replace(b'"alpha:latest"', name) for frame in speech.start(tokens)]
    return (
        speech.head(),
        *(Body(frame) for frame in frames),
        *ended(speech, tokens),
    )


_ALL_SEQUENCES = "".join(TERMINAL_SEQUENCES.values())

TEXT_KINDS = (
    *(
        Kind(
            f"separator_{name}",
            "whole",
            f"after the tokens, a piece that holds U+{ord(character):04X}, which is "
            "no line end",
            _saying(f"a{character}b"),
            all_and(f"a{character}b"),
        )
        for name, character in SEPARATORS.items()
    ),
    Kind(
        "terminal_sequences_whole",
        "whole",
        "after the tokens, each terminal sequence as one piece",
        _saying(*TERMINAL_SEQUENCES.values()),
        all_and(_ALL_SEQUENCES),
    ),
    Kind(
        "terminal_sequences_split",
        "whole",
        "after the tokens, the terminal sequences one character a piece",
        _saying(*_ALL_SEQUENCES),
        all_and(_ALL_SEQUENCES),
    ),
    Kind(
        "terminal_sequences_in_error",
        "error",
        "after the tokens, an error whose text is made of terminal sequences",
        lambda speech, tokens: (
            *spoken(speech, tokens),
            Body(speech.say(speech.error(_ALL_SEQUENCES))),
            EndBody(),
        ),
    ),
    Kind(
        "terminal_sequences_in_status",
        "failed",
        "status 500 with an error text made of terminal sequences",
        lambda speech, tokens: speech.refusal(_ALL_SEQUENCES, 500),
        none_of,
    ),
    Kind(
        "terminal_sequences_in_page",
        "failed",
        "status 502 with a page of text made of terminal sequences",
        lambda speech, tokens: whole_reply(_ALL_SEQUENCES.encode(), "text/plain", 502),
        none_of,
    ),
    Kind(
        "terminal_sequences_in_reason",
        "failed",
        "status 500 whose reason phrase clears the screen",
        lambda speech, tokens: (
            Head(500, (), "length", reason=TERMINAL_SEQUENCES["csi_clear"]),
        ),
        none_of,
    ),
    Kind(
        "terminal_sequences_in_model",
        "whole",
        "a good reply that names a model made of terminal sequences",
        _named,
    ),
    Kind(
        "hostile_model_names",
        "whole",
        "the list of models has names for shells, paths, terminals and templates",
        _listing,
        none_of,
        is_listing=True,
    ),
    Kind(
        "secrets_in_text",
        "whole",
        "after the tokens, the model says the request's keys and prompt, which are "
        "its words and stand on stdout, nowhere else",
        _echoed_in_text,
        echo=_secrets,
    ),
    Kind(
        "secrets_in_error",
        "error",
        "after the tokens, an error that repeats the request's keys and prompt",
        _echoed_in_error,
    ),
    Kind(
        "secrets_in_status",
        "refused",
        "status 401 with an error that repeats the request's keys and prompt",
        _echoed_in_status,
        none_of,
    ),
    Kind(
        "secrets_in_headers",
        "refused",
        "status 401 whose reason and header repeat the request's key",
        _echoed_in_headers,
        none_of,
    ),
)
