"""What can happen to the twins: invocations, their surroundings, changes."""

from __future__ import annotations

from typing import NamedTuple

from .twins import Twins

CONFIG = "config/llmwrap/config.toml"
OTHER_CONFIG = "other.toml"
DISCOVERED = "state/llmwrap/discovered.json"
NOTES = "notes.txt"
WAYS = ("write", "rewrite_unseen", "rename_over")


class Step(NamedTuple):
    """A method of the twins and what it gets."""

    method: str
    args: tuple[object, ...]

    @classmethod
    def of(cls, method: str, *args: object) -> Step:
        """Return a step."""
        return cls(method, args)

    def do(self, twins: Twins) -> None:
        """Do it."""
        getattr(twins, self.method)(*self.args)


# Of one length each, so that nothing but their text tells them from each other.
TEXTS = tuple(
    text.ljust(72, "#") + "\n"
    for text in (
        '[defaults]\nsystem = "Be brief."\n',
        '[defaults]\nsystem = "Be wordy."\n',
        '[defaults]\nmodel = "beta:7b"\n',
        "[cache]\nttl = 5000\n",
        "[cache]\nenabled = false\n",
        '[cache]\npath = "cache-of-its-own"\n',
        "[cache]\nenable_persistence = false\n",
        '[logging]\nlevel = "info"\n',
        "[history]\nask = true\n",
        "[nonsense\n",
        "",
    )
)
PROMPTS = (("Why not?",), ("Why\nnot?",), ("modls",), ("-",))
SELECTIONS = ((), ("-m", "alpha"), ("-b", "ollama"), ("--base-url", "URL"))
PLAIN_WORDS = (
    ("-m", "beta:7b"),
    ("-m", "ollama/alpha"),
    ("--base-url", "URL/v1"),
    ("-n",),
    ("-s", "Briefly."),
    ("-o", "num_ctx=8192"),
    ("--temperature", "0"),
    ("--temperature", "0.0"),
    ("--seed", "1"),
    ("--max-tokens", "50"),
    ("--stop", "x"),
    ("--format", "text"),
    ("-q",),
    ("--raw",),
    ("--no-stream",),
    ("--sanitize", "never"),
    ("--cache",),
    ("--no-think",),
    ("--hide-thinking",),
    ("-O", "-"),
    ("--timeout", "20"),
    ("--color", "always"),
    ("--",),
)
OTHER_WORDS = (
    ("-m", "gamma"),
    ("-b", "lmstudio"),
    ("-s", "@notes.txt"),
    ("--max-tokens", "1"),
    ("--format", "json"),
    ("--format", "events"),
    ("-v",),
    ("-vv",),
    ("--sanitize", "always"),
    ("--no-cache",),
    ("--refresh",),
    ("--cache-only",),
    ("--think",),
    ("-O", "out"),
    ("-f", "notes.txt"),
    ("-f", "-"),
    ("--config", OTHER_CONFIG),
    ("--dry-run",),
    ("--nonsense",),
)
ENVIRON = (
    ("LLMWRAP_CACHE_TTL", "5"),
    ("LLMWRAP_CACHE_TTL", "0"),
    ("LLMWRAP_CACHE_ENABLED", "false"),
    ("LLMWRAP_CACHE_PATH", "cache-here"),
    ("LLMWRAP_CACHE_PATH", "HOME/cache-there"),
    ("LLMWRAP_MODEL", "beta:7b"),
    ("LLMWRAP_MODEL", "ollama/alpha"),
    ("LLMWRAP_BACKEND", "ollama"),
    ("LLMWRAP_DEFAULTS_SYSTEM", "Be kind."),
    ("LLMWRAP_DEFAULTS_SYSTEM", ""),
    ("LLMWRAP_LIMITS_PROMPT", "30"),
    ("LLMWRAP_LOGGING_LEVEL", "debug"),
    ("LLMWRAP_LOGGING_OUTPUT", "HOME/log"),
    ("LLMWRAP_CONFIG", "HOME/other.toml"),
    ("LLMWRAP_CONFIG", "other.toml"),
    ("LLMWRAP_CONFIG", ""),
    ("LLMWRAP_NONSENSE", "1"),
    ("LLMWRAP_DEBUG", "1"),
    ("LLMWRAP_TEST_WHAT", "1"),
    ("OLLAMA_HOST", "127.0.0.1:1"),
    ("OPENAI_BASE_URL", "nonsense"),
    ("XDG_CACHE_HOME", "HOME/caches"),
    ("XDG_CONFIG_HOME", "HOME/configs"),
    ("XDG_STATE_HOME", "/dev/null/state"),
    ("XDG_STATE_HOME", None),
    ("XDG_CACHE_HOME", "relative"),
    ("HOME", None),
    ("HOME", "relative"),
    ("HOME", "HOME/elsewhere"),
    ("TERM", "dumb"),
)
INPUTS = (b"piped in\n", b"bad \xff byte\n", b"\xef\xbb\xbfBOM")


CHANGES = (
    (
        Step.of("remove", DISCOVERED),
        Step.of("write", DISCOVERED, "{}"),
        Step.of("remove", CONFIG),
        Step.of("write", NOTES, "another note\n"),
    ),
    (
        Step.of("both", "cache", "clear"),
        Step.of("both", "cache", "clear", "--model", "alpha"),
        Step.of("both", "cache", "compact"),
        Step.of("later", 6),
        Step.of("later", 3700),
    ),
    (
        Step.of("pull"),
        Step.of("drop", "alpha:latest"),
        Step.of("stop"),
        Step.of("restock"),
    ),
    (
        Step.of("damage", "cache/llmwrap/direct/*", -1),
        Step.of("damage", "cache/llmwrap/answers/*", -1),
        Step.of("damage", "cache/llmwrap/answers/*", 6),
        Step.of("damage", "cache/llmwrap/models/*", 0),
    ),
    tuple(
        Step.of(way, file, text)
        for way in WAYS
        for file in (CONFIG, CONFIG, OTHER_CONFIG)
        for text in TEXTS
    ),
)
