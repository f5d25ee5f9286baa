"""Tell how much memory is in use, beside how much there is.

For the cache in memory, which gives way before anything swaps. Not for what the cache
itself takes: `memory.py` counts that. Looked at are

- the machine;
- every memory cgroup that this process is in, from its own up to the topmost that can
  be seen: cgroup v2, v1, or both beside each other;
- the limit on the address space of this process (`ulimit -v`).

File cache that the kernel drops first (`inactive_file`) is not counted as used, as in
Kubernetes' working set. What is missing or odd is no error and no limit.

See: cgroups(7), proc_pid_cgroup(5) and proc_pid_mountinfo(5) of the Linux man-pages;
Documentation/admin-guide/cgroup-v2.rst ("Memory") and cgroup-v1/memory.rst of Linux.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ctypes

_CGROUP = "/proc/self/cgroup"
_MOUNTS = "/proc/self/mountinfo"
_SIZES = "/proc/self/statm"

Reader = Callable[[str], str | None]
"""What returns the text of a file, None where it cannot be read."""


class Reading(NamedTuple):
    """Memory in use, beside a limit on it, and whose limit that is."""

    used_bytes: int
    limit_bytes: int
    what: str


class _Files(NamedTuple):
    """What a version of cgroups calls its files, and the line of memory.stat."""

    limits: tuple[str, ...]
    usage: str
    droppable: str


_V1 = _Files(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
# From memory.high on, the kernel takes memory back and swaps: it counts like a limit.
_V2 = _Files(("memory.max", "memory.high"), "memory.current", "inactive_file")


class _Mount(NamedTuple):
    """Where a hierarchy of memory cgroups is seen, and from which of them down."""

    files: _Files
    root: str
    point: str


def watch(threshold_ratio: float) -> Callable[[], int]:
    """Return a function that tells by how many bytes too much memory is in use.

    It takes 0.2 ms, the first time 20 ms more for importing psutil. Any thread may call
    it.
    """
    return lambda: excess_bytes(readings(), threshold_ratio)


def excess_bytes(readings: Iterable[Reading], threshold_ratio: float) -> int:
    """Return the most by which any use is above that part of its limit, or 0."""
    excesses = (
        reading.used_bytes - int(reading.limit_bytes * threshold_ratio)
        for reading in readings
    )
    return max(0, max(excesses, default=0))


def readings() -> list[Reading]:
    """Return what is in use of everything that bounds this process now."""
    machine = machine_reading()
    found = [machine] if machine else []
    machine_bytes = machine.limit_bytes if machine else sys.maxsize
    found += cgroup_readings(read_text, machine_bytes)
    limit_bytes = _address_space_bytes()
    if limit_bytes is not None:
        own = address_space_reading(read_text, limit_bytes, _reusable_bytes())
        found += [own] if own else []
    return found


def machine_reading() -> Reading | None:
    """Return what is in use of the machine's memory, None where nobody tells."""
    import psutil

    try:
        memory = psutil.virtual_memory()
    except (OSError, LookupError, ValueError, RuntimeError):  # no /proc, or an odd one
        return None
    return Reading(memory.total - memory.available, memory.total, "the machine")


def cgroup_readings(read: Reader, machine_bytes: int) -> list[Reading]:
    """Return what is in use of the cgroups this process is in, its own first.

    Cgroups without a limit, or with one of `machine_bytes` or more, are left out.
    """
    mounts = _memory_mounts(read(_MOUNTS) or "")
    found = []
    for line in (read(_CGROUP) or "").splitlines():
        _, _, membership = line.partition(":")
        controllers, _, path = membership.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        files = _V1 if controllers else _V2
        for directory in _directories(path, [m for m in mounts if m.files is files]):
            reading = _cgroup_reading(read, files, directory, machine_bytes)
            found += [reading] if reading else []
    return found


def address_space_reading(
    read: Reader, limit_bytes: int, reusable_bytes: int
) -> Reading | None:
    """Return what is in use of this process's address space, None off Linux.

    Without `reusable_bytes`, those that were freed and will be used again: the heap
    hardly ever shrinks, so that nothing evicted would show.
    """
    import resource

    pages = _number((read(_SIZES) or "").partition(" ")[0])
    if pages is None:
        return None
    used_bytes = pages * resource.getpagesize() - reusable_bytes
    return Reading(max(0, used_bytes), limit_bytes, "the address space")


def give_back() -> None:
    """Hand what was freed back to the system, which glibc else keeps for later.

    Measured: of 200 MiB in answers of 1 to 64 KiB, the older half freed, 0 go back
    without it, 100 with it, in 8 ms.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def read_text(path: str) -> str | None:
    """Return the text of a file, None where it cannot be read."""
    try:
        # Names of cgroups are bytes, which this brings back as they were.
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _memory_mounts(text: str) -> list[_Mount]:
    mounts = []
    for line in text.splitlines():
        place, _, system = line.partition(" - ")
        fields, kind = place.split(" "), system.split(" ")
        if len(fields) < 5:
            continue
        if kind[0] == "cgroup2":
            mounts.append(_Mount(_V2, _unescape(fields[3]), _unescape(fields[4])))
        elif kind[0] == "cgroup" and "memory" in kind[-1].split(","):
            mounts.append(_Mount(_V1, _unescape(fields[3]), _unescape(fields[4])))
    return mounts


def _unescape(field: str) -> str:
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        field = field.replace("\\" + code, character)
    return field


def _directories(path: str, mounts: list[_Mount]) -> list[str]:
    """Return where a cgroup and those above it are, as far up as they are mounted."""
    # A root that only begins alike does no harm: what is not there is not read.
    fitting = [mount for mount in mounts if path.startswith(mount.root)]
    if not fitting:
        # A namespace hides where we are; what a container has mounted is its own.
        return [mount.point for mount in mounts[:1]]
    mount = min(fitting, key=lambda mount: len(mount.root))
    parts = [part for part in path[len(mount.root) :].split("/") if part]
    return [
        "/".join([mount.point, *parts[:length]]) for length in range(len(parts), -1, -1)
    ]


def _cgroup_reading(
    read: Reader, files: _Files, directory: str, machine_bytes: int
) -> Reading | None:
    limits = [_number(read(f"{directory}/{name}")) for name in files.limits]
    limit_bytes = min(limit for limit in [*limits, machine_bytes] if limit is not None)
    used_bytes = _number(read(f"{directory}/{files.usage}"))
    if limit_bytes >= machine_bytes or used_bytes is None:
        return None
    statistics = read(f"{directory}/memory.stat") or ""
    used_bytes -= _statistic(statistics, files.droppable)
    return Reading(max(0, used_bytes), limit_bytes, f"cgroup '{directory}'")


def _statistic(text: str, name: str) -> int:
    for line in text.splitlines():
        found, _, value = line.partition(" ")
        if found == name:
            return _number(value) or 0
    return 0


def _number(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:  # "max", which is no limit, and whatever else
        return None
    return number if number >= 0 else None


def _address_space_bytes() -> int | None:
    import resource

    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit_bytes == resource.RLIM_INFINITY else limit_bytes


def _reusable_bytes() -> int:
    libc = _libc()
    if libc is None or not hasattr(libc, "mallinfo2"):
        return 0
    import ctypes

    class Mallinfo2(ctypes.Structure):
        _fields_ = tuple((f"field_{number}", ctypes.c_size_t) for number in range(10))

    libc.mallinfo2.restype = Mallinfo2
    return int(libc.mallinfo2().field_8)  # fordblks, see mallinfo(3)


def _libc() -> ctypes.CDLL | None:
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):  # Python was built without it, or the program is
        return None  # linked statically.
