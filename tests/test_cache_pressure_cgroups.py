"""Memory pressure of cgroups, in every arrangement in which they are found.

The texts are those of a Fedora and an old Ubuntu host and of containers, shortened.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.cache.pressure import Reader, cgroup_readings

_MIB = 1 << 20
_GIB = 1 << 30
_MACHINE_BYTES = 16 * _GIB
_UNLIMITED = "9223372036854771712\n"  # how v1 says it

_PROC = """\
24 31 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
25 31 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:6 - sysfs sysfs rw
"""
_V2_HOST_MOUNTS = f"""\
{_PROC}31 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
29 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 \
cgroup2 rw,nsdelegate,memory_recursiveprot
"""
_V1_HOST_MOUNTS = f"""\
{_PROC}30 25 0:25 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs \
ro,mode=755
33 30 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup \
rw,xattr,name=systemd
36 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup \
rw,cpu,cpuacct
38 30 0:33 / /sys/fs/cgroup/memory rw,nosuid shared:17 - cgroup cgroup rw,memory
"""
_HYBRID_MOUNTS = (
    _V1_HOST_MOUNTS
    + "32 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n"
)
_DOCKER_ID = "5a1c0e6d7f42"
_V1_DOCKER_MOUNTS = f"""\
700 650 0:55 / / rw,relatime master:200 - overlay overlay rw,lowerdir=/l,upperdir=/u
712 701 0:61 / /sys/fs/cgroup rw,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755
716 712 0:28 /docker/{_DOCKER_ID} /sys/fs/cgroup/systemd ro,nosuid master:11 - \
cgroup cgroup rw,xattr,name=systemd
721 712 0:33 /docker/{_DOCKER_ID} /sys/fs/cgroup/memory ro,nosuid master:17 - \
cgroup cgroup rw,memory
"""
_V2_DOCKER_MOUNTS = """\
900 850 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
912 901 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
"""


def _v1(limit: int | str, used_bytes: int, inactive_bytes: int = 0) -> dict[str, str]:
    return {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": f"{used_bytes}\n",
        # That of the cgroup alone, which says nothing about those below it.
        "memory.stat": f"cache 7\nrss 9\ninactive_file {used_bytes}\n"
        f"total_cache 77\ntotal_inactive_file {inactive_bytes}\n",
    }


def _v2(limit: int | str, used_bytes: int, inactive_bytes: int = 0) -> dict[str, str]:
    return {
        "memory.max": f"{limit}\n",
        "memory.high": "max\n",
        "memory.current": f"{used_bytes}\n",
        "memory.stat": f"anon 9\nfile 7\ninactive_anon 3\n"
        f"inactive_file {inactive_bytes}\nactive_file 5\n",
    }


def _reader(
    memberships: str, mounts: str, directories: Mapping[str, Mapping[str, str]]
) -> Reader:
    texts = {"/proc/self/cgroup": memberships, "/proc/self/mountinfo": mounts}
    for directory, files in directories.items():
        texts |= {f"{directory}/{name}": text for name, text in files.items()}
    return texts.get


def _found(
    memberships: str, mounts: str, directories: Mapping[str, Mapping[str, str]]
) -> list[tuple[int, int, str]]:
    read = _reader(memberships, mounts, directories)
    return [
        (used_bytes // _MIB, limit_bytes // _MIB, what.split("'")[1])
        for used_bytes, limit_bytes, what in cgroup_readings(read, _MACHINE_BYTES)
    ]


def test_v2_takes_the_limits_of_every_cgroup_above() -> None:
    root = "/sys/fs/cgroup"
    user = f"{root}/user.slice/user-1000.slice"
    apps = f"{user}/user@1000.service/app.slice"

    found = _found(
        f"0::{apps.removeprefix(root)}/app-term.scope\n",
        _V2_HOST_MOUNTS,
        {
            f"{apps}/app-term.scope": _v2("max", 300 * _MIB),
            apps: _v2(2 * _GIB, 500 * _MIB, 100 * _MIB),
            user: _v2(4 * _GIB, 3 * _GIB, 1 * _GIB),
            f"{root}/user.slice": _v2("max", 5 * _GIB),
            root: {"memory.stat": "anon 9\n"},  # as the root has it: no limit, no use
        },
    )

    assert found == [(400, 2048, apps), (2048, 4096, user)]


def test_v2_counts_what_is_taken_back_from_like_a_limit() -> None:
    files = _v2(2 * _GIB, 700 * _MIB) | {"memory.high": f"{_GIB}\n"}

    found = _found(
        "0::/system.slice/cron.service\n",
        _V2_HOST_MOUNTS,
        {"/sys/fs/cgroup/system.slice/cron.service": files},
    )

    assert found == [(700, 1024, "/sys/fs/cgroup/system.slice/cron.service")]


def test_v1_takes_the_limits_of_every_cgroup_above() -> None:
    root = "/sys/fs/cgroup/memory"

    found = _found(
        "12:cpu,cpuacct:/user.slice\n9:memory:/user.slice/jobs\n"
        "1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n",
        _V1_HOST_MOUNTS,
        {
            f"{root}/user.slice/jobs": _v1(256 * _MIB, 200 * _MIB, 50 * _MIB),
            f"{root}/user.slice": _v1(_UNLIMITED.strip(), 2 * _GIB),
            root: _v1(_UNLIMITED.strip(), 8 * _GIB),
        },
    )

    assert found == [(150, 256, f"{root}/user.slice/jobs")]


def test_a_hybrid_has_its_memory_controller_in_v1() -> None:
    found = _found(
        "9:memory:/jobs\n1:name=systemd:/jobs\n0::/jobs\n",
        _HYBRID_MOUNTS,
        {
            "/sys/fs/cgroup/memory/jobs": _v1(256 * _MIB, 200 * _MIB),
            "/sys/fs/cgroup/unified/jobs": {"cgroup.procs": "17\n"},
        },
    )

    assert found == [(200, 256, "/sys/fs/cgroup/memory/jobs")]


def test_a_hybrid_may_have_its_memory_controller_in_v2() -> None:
    found = _found(
        "5:cpu,cpuacct:/jobs\n1:name=systemd:/jobs\n0::/jobs\n",
        _HYBRID_MOUNTS,
        {"/sys/fs/cgroup/unified/jobs": _v2(256 * _MIB, 200 * _MIB)},
    )

    assert found == [(200, 256, "/sys/fs/cgroup/unified/jobs")]


def test_docker_on_v1_shows_a_container_its_own_cgroup_as_the_root() -> None:
    found = _found(
        f"9:memory:/docker/{_DOCKER_ID}\n1:name=systemd:/docker/{_DOCKER_ID}\n",
        _V1_DOCKER_MOUNTS,
        {"/sys/fs/cgroup/memory": _v1(512 * _MIB, 100 * _MIB)},
    )

    assert found == [(100, 512, "/sys/fs/cgroup/memory")]


def test_docker_on_v1_shows_cgroups_below_that_of_a_container() -> None:
    found = _found(
        f"9:memory:/docker/{_DOCKER_ID}/worker\n",
        _V1_DOCKER_MOUNTS,
        {
            "/sys/fs/cgroup/memory/worker": _v1(256 * _MIB, 50 * _MIB),
            "/sys/fs/cgroup/memory": _v1(512 * _MIB, 100 * _MIB),
        },
    )

    assert found == [
        (50, 256, "/sys/fs/cgroup/memory/worker"),
        (100, 512, "/sys/fs/cgroup/memory"),
    ]


@pytest.mark.parametrize("path", ["/", "/../../x", "/docker/other"])
def test_v1_in_a_namespace_falls_back_to_the_root_of_the_mount(path: str) -> None:
    found = _found(
        f"9:memory:{path}\n",
        _V1_DOCKER_MOUNTS,
        {"/sys/fs/cgroup/memory": _v1(512 * _MIB, 100 * _MIB)},
    )

    assert found == [(100, 512, "/sys/fs/cgroup/memory")]


@pytest.mark.parametrize(
    ("path", "root"),
    [("/", "/"), ("/docker-5a1c.scope", "/"), ("/../x", "/"), ("/", "/..")],
)
def test_docker_on_v2_has_its_limit_at_the_root_of_the_mount(
    path: str, root: str
) -> None:
    found = _found(
        f"0::{path}\n",
        _V2_DOCKER_MOUNTS.replace("0:26 /", f"0:26 {root}"),
        {"/sys/fs/cgroup": _v2(512 * _MIB, 100 * _MIB)},
    )

    assert found == [(100, 512, "/sys/fs/cgroup")]


def test_of_several_mounts_the_one_that_shows_most_of_ours_is_taken() -> None:
    mounts = "".join(
        f"99{number} 912 0:26 {root} /run{root} rw - cgroup2 cgroup rw\n"
        for number, root in enumerate(["/x", "/jobs/one", "/jobs"])
    )
    limited = _v2(_GIB, 100 * _MIB)

    found = _found(
        "0::/jobs/one\n",
        mounts,
        {"/run/x": limited, "/run/jobs/one": limited, "/run/jobs": limited},
    )

    assert [what for _, _, what in found] == ["/run/jobs/one", "/run/jobs"]


def test_a_mount_may_have_blanks_in_its_names() -> None:
    found = _found(
        "0::/my jobs/one\n",
        r"29 25 0:26 /my\040jobs /mnt/my\040cgroups\134 rw - cgroup2 cgroup2 rw",
        {"/mnt/my cgroups\\/one": _v2(_GIB, 100 * _MIB)},
    )

    assert found == [(100, 1024, "/mnt/my cgroups\\/one")]


@pytest.mark.parametrize("limit", ["max", _MACHINE_BYTES, _UNLIMITED.strip(), "", "-1"])
def test_what_does_not_bind_is_no_limit(limit: int | str) -> None:
    found = _found(
        "0::/jobs\n", _V2_HOST_MOUNTS, {"/sys/fs/cgroup/jobs": _v2(limit, 100 * _MIB)}
    )

    assert found == []


@pytest.mark.parametrize("text", ["", "\0\ufffd", "9" * 5000, "-5", "1e9"])
def test_a_use_that_is_no_number_is_left_out(text: str) -> None:
    files = _v2(_GIB, 0) | {"memory.current": text}

    found = _found("0::/jobs\n", _V2_HOST_MOUNTS, {"/sys/fs/cgroup/jobs": files})

    assert found == []


@pytest.mark.parametrize("text", [None, "", "inactive_file", "inactive_file many\n"])
def test_without_statistics_all_that_is_used_counts(text: str | None) -> None:
    files = _v2(_GIB, 100 * _MIB)
    del files["memory.stat"]
    files |= {} if text is None else {"memory.stat": text}

    found = _found("0::/jobs\n", _V2_HOST_MOUNTS, {"/sys/fs/cgroup/jobs": files})

    assert found == [(100, 1024, "/sys/fs/cgroup/jobs")]


def test_statistics_that_lag_behind_make_no_use_below_nothing() -> None:
    files = _v2(_GIB, 100 * _MIB, 200 * _MIB)

    found = _found("0::/jobs\n", _V2_HOST_MOUNTS, {"/sys/fs/cgroup/jobs": files})

    assert found == [(0, 1024, "/sys/fs/cgroup/jobs")]


def test_without_cgroups_there_are_no_readings() -> None:
    assert cgroup_readings(lambda path: None, _MACHINE_BYTES) == []


@pytest.mark.slow
@pytest.mark.untraced
@given(
    memberships=st.text() | st.just("0::/a/b\n4:memory:/a\n"),
    mounts=st.text() | st.just(_HYBRID_MOUNTS) | st.just(" - cgroup2\n - cgroup"),
    other=st.text() | st.integers().map(str),
)
def test_no_garbage_is_an_error(memberships: str, mounts: str, other: str) -> None:
    texts = {"/proc/self/cgroup": memberships, "/proc/self/mountinfo": mounts}

    found = cgroup_readings(lambda path: texts.get(path, other), _MACHINE_BYTES)

    assert all(0 <= reading.limit_bytes < _MACHINE_BYTES for reading in found)
