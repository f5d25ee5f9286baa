"""Direct mode: a repeated invocation answered before anything is imported.

A run that was answered, by a server or by the cache, and that depended on nothing but
its words, its environment, its configuration and its stdin, leaves a record: their
digest leads to the answer's key. The same invocation finds it before there is a
parser, and writes the stored text. Everything else goes the ordinary way, as does
whatever looks unusual here; `cli/direct_records.py` decides what leaves a record.

The record points to the answer and does not hold it, so that clearing, expiry and a
model that was pulled anew count here too. An invocation that reads stdin has a first
record that says so, under the digest without it: nothing that another would read is
ever taken.

Imports nothing that a hit can do without. See: ccache's direct mode.
"""

from __future__ import annotations

import os
import select
import stat
import time
from struct import pack

from . import __version__
from .cache import layout, payload
from .errors import ConfigError
from .files import read
from .journal.records import RecordFormat, blake2b, is_newer
from .metrics.layout import LARGEST_BYTES, append_run, runs_path
from .paths import cache_dir, config_dir, ensure_private_dir, state_dir

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

SWITCH = "LLMWRAP_DIRECT"
"""The variable that switches this off: `0`."""

RECORDS = RecordFormat("llmwrap direct", 32)
READS_STDIN = b"S"
"""The record of an invocation whose answer depends on its stdin too."""

CONFIG_VARIABLE = "LLMWRAP_CONFIG"
_PREFIXES = ("LLMWRAP_", "XDG_")
_VARIABLES = (
    "HOME",
    "OLLAMA_API_KEY",
    "OLLAMA_HOST",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
)
_OWN = ("_API_KEY", "_HEADERS", "_PASSWORD", "_PROXY", "_QUERY", "_USER")
_ANSWER = b"A"
_FOR_EVER = (1 << 64) - 1
_LARGEST_STDIN_BYTES = 1 << 20
_STDIN_PATIENCE_S = 0.5
_YOUNGEST_NS = 2 * 10**9
_MS_OF_S = 1000


class Pointer:
    """Where the answer of an invocation is, and what its being right depends on.

    `ttl_ns` None is for ever. `timeout_s` is how long the run may take. `run` are the
    two parts of its record (metrics/recorder.py), the durations missing between them.
    """

    __slots__ = (
        "generation",
        "generation_path",
        "key",
        "root",
        "run",
        "timeout_s",
        "ttl_ns",
    )

    def __init__(
        self,
        key: bytes,
        ttl_ns: int | None,
        timeout_s: float,
        place: tuple[str, str, bytes],
        run: tuple[bytes, bytes],
    ) -> None:
        self.key = key
        self.ttl_ns = ttl_ns
        self.timeout_s = timeout_s
        self.root, self.generation_path, self.generation = place
        self.run = run

    def packed(self) -> bytes:
        """Return it as the payload of a record."""
        ttl_ns = _FOR_EVER if self.ttl_ns is None else self.ttl_ns
        parts = [_ANSWER, self.key, ttl_ns.to_bytes(8, "little")]
        parts.append(int(self.timeout_s * _MS_OF_S).to_bytes(8, "little"))
        paths = (os.fsencode(self.root), os.fsencode(self.generation_path))
        for field in (*paths, self.generation, *self.run):
            parts += (len(field).to_bytes(4, "little"), field)
        return b"".join(parts)

    @classmethod
    def parse(cls, data: bytes) -> Pointer | None:
        """Return the pointer of a payload, None for one that is none."""
        if data[:1] != _ANSWER:
            return None
        ttl_ns = int.from_bytes(data[33:41], "little")
        timeout_s = int.from_bytes(data[41:49], "little") / _MS_OF_S
        fields = []
        at = 49
        for _ in range(5):
            start = at + 4
            at = start + int.from_bytes(data[at:start], "little")
            fields.append(data[start:at])
        root, path, generation, before, after = fields
        place = (os.fsdecode(root), os.fsdecode(path), generation)
        ttl = None if ttl_ns == _FOR_EVER else ttl_ns
        return cls(data[1:33], ttl, timeout_s, place, (before, after))


class Invocation:
    """One run of the program, as far as it can be told before it is parsed.

    `stdin_ahead` is what was read of stdin, which the ordinary way has to take first,
    and `has_stdin_ended` whether that was all. `unwritten` is what is left of an
    answer that stdout did not take at once, to be written within `timeout_s`.

    `is_told` is False where the environment holds something of the user's own, and
    there are no random bytes yet to hide it under (cache/owner.py): nothing is found,
    and before a record is left they have to be made, and `tell` called again.
    """

    def __init__(self, argv: list[str], environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.started_ns = time.time_ns()
        self.started_at = time.monotonic()
        self.stdin_ahead = b""
        self.has_stdin_ended = False
        self.unwritten = b""
        self.timeout_s = 0.0
        self._youngest_ns = 0
        self._argv = argv
        # As they were found: those that are closed do not stay so.
        self._descriptors = [_descriptor_kind(number) for number in (0, 1, 2)]
        config = environ.get(CONFIG_VARIABLE) or config_dir(environ) + "/config.toml"
        files = (config, state_dir(environ) + "/discovered.json")
        self._identities = {path: self._identity(path) for path in files}
        self.tell()

    def tell(self) -> None:
        """Make the digest; again once there are random bytes to hide secrets under."""
        self.is_told = True
        self._digest = blake2b(digest_size=32)
        # How many words there are, too: what follows might else be one of them.
        argv = self._argv
        self._add("llmwrap direct 2", __version__, str(len(argv)), *argv)
        for name in sorted(self.environ):
            if is_covered(name):
                value = self.environ[name]
                is_own = value and name.endswith(_OWN)
                self._add(name, self._hidden(value) if is_own else value)
        self._add("descriptors", *self._descriptors)
        for path, identity in self._identities.items():
            self._add(path, identity)

    @property
    def key(self) -> bytes:
        """Return the digest of everything but stdin."""
        return self._digest.digest()

    @property
    def is_settled(self) -> bool:
        """Tell whether its files are what they were, and will be told from later ones.

        What was read may have been written since the run began, perhaps by the run
        itself. And a file can change twice within the grain of its time stamps.
        """
        files = self._identities.items()
        is_same = all(self._identity(path) == identity for path, identity in files)
        return is_same and self.started_ns - self._youngest_ns > _YOUNGEST_NS

    def key_with(self, stdin: bytes) -> bytes:
        """Return the digest of everything, what was read of stdin too."""
        digest = self._digest.copy()
        digest.update(b"stdin")
        digest.update(stdin)
        return digest.digest()

    def journal_path(self, key: bytes) -> str:
        """Return the journal that has the record of a key."""
        return f"{cache_dir(self.environ)}/direct/{key[:1].hex()}"

    def answer(self) -> bool:
        """Write the answer if it is known; tell whether it was.

        If not, nothing has happened but that stdin may have been read.
        """
        if not self.is_told:
            return False
        try:
            pointer = self._pointer()
            text = self._text(pointer) if pointer else None
        except (OSError, ValueError, ConfigError):
            return False  # The ordinary way says what is wrong.
        if pointer is None or text is None:
            return False
        is_ended = text[-1:] in (b"", b"\n")
        self._write(text if is_ended else text + b"\n")
        self.timeout_s = pointer.timeout_s
        self._record_run(pointer)
        return True

    def _add(self, *parts: str) -> None:
        for part in parts:
            data = os.fsencode(part)
            self._digest.update(len(data).to_bytes(4, "little") + data)

    def _hidden(self, value: str) -> str:
        """Return what tells a secret from another, and does not give it away."""
        try:
            salt = read(layout.salt_path(state_dir(self.environ)), layout.SALT_BYTES)
        except OSError:
            salt = b""
        self.is_told = self.is_told and len(salt) == layout.SALT_BYTES
        return blake2b(os.fsencode(value), key=salt).hexdigest()

    def _identity(self, path: str) -> str:
        try:
            status = os.stat(path)
        except OSError as error:
            return f"none {error.errno}"  # One that may not be read is not missing.
        times = (status.st_mtime_ns, status.st_ctime_ns)
        self._youngest_ns = max(self._youngest_ns, *times)
        if not stat.S_ISREG(status.st_mode) and path != os.devnull:
            self._youngest_ns = self.started_ns  # A pipe holds something only once.
        return f"{status.st_dev} {status.st_ino} {status.st_size} {times}"

    def _pointer(self) -> Pointer | None:
        record = self._record(self.key)
        if record == READS_STDIN:
            self._read_stdin()
            if not self.has_stdin_ended:
                return None
            record = self._record(self.key_with(self.stdin_ahead))
        return Pointer.parse(record)

    def _record(self, key: bytes) -> bytes:
        data = read(self.journal_path(key))
        found = None if is_newer(data) else RECORDS.find(data, key)
        return found.payload if found else b""

    def _read_stdin(self) -> None:
        """Read stdin as far as it is there: how long to wait is the other way's."""
        waiting = select.poll()
        waiting.register(0, select.POLLIN)
        until = time.monotonic() + _STDIN_PATIENCE_S
        while len(self.stdin_ahead) < _LARGEST_STDIN_BYTES:
            left_s = max(0.0, until - time.monotonic())
            if not waiting.poll(left_s * _MS_OF_S):
                return
            part = os.read(0, 1 << 16)
            if not part:
                self.has_stdin_ended = True
                return
            self.stdin_ahead += part

    def _text(self, pointer: Pointer) -> bytes | None:
        layout.check_owner(pointer.root)
        if read(pointer.generation_path) != pointer.generation:
            return None
        data = read(layout.shard_path(pointer.root, pointer.key))
        found = None if is_newer(data) else layout.ANSWERS.find(data, pointer.key)
        answer = payload.parse(found.payload) if found else None
        now_ns = time.time_ns()
        if answer is None or not answer.is_plain:
            return None
        if not answer.is_fresh(pointer.ttl_ns, now_ns):
            return None
        layout.note_use(pointer.root, pointer.key, now_ns // 10**9)
        return answer.text

    def _write(self, data: bytes) -> None:
        """Write what stdout takes at once; an error is left to the ordinary way."""
        ready = select.poll()
        ready.register(1, select.POLLOUT)
        try:
            while data and ready.poll(0):
                data = data[os.write(1, data[: select.PIPE_BUF]) :]
        except OSError:
            pass
        self.unwritten = data

    def _record_run(self, pointer: Pointer) -> None:
        elapsed_s = time.monotonic() - self.started_at
        moments = (self.started_ns / 1e9, elapsed_s, elapsed_s, elapsed_s)
        floats = [b"\xcb" + pack(">d", moment) for moment in moments]
        before, after = pointer.run
        path = runs_path(self.environ)
        try:
            ensure_private_dir(os.path.dirname(path))
            append_run(path, b"".join((before, *floats, after)))
            if os.path.getsize(path) > LARGEST_BYTES:
                from .metrics.recorder import shorten  # late: once in many thousand

                shorten(path)
        except (OSError, ConfigError):
            pass  # It costs no answer.


def is_covered(name: str) -> bool:
    """Tell whether a variable is in the digest of an invocation."""
    return name.startswith(_PREFIXES) or name in _VARIABLES


def _descriptor_kind(number: int) -> str:
    try:
        os.fstat(number)
    except OSError:
        return "closed"
    return "terminal" if os.isatty(number) else "other"
