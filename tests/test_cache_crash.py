"""kill -9 at random moments: what was acknowledged is there, unaltered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .runner import ROOT

_ROUNDS = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "10"))
_ROUND_S = 2.0
_LEAST_INSIDE_RATIO = 0.2


@pytest.mark.slow
@pytest.mark.timeout(120 + _ROUND_S * _ROUNDS)
def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    """cachecrash.py says how. Its last rounds are read by a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.cachecrash", str(tmp_path), str(_ROUNDS)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60 + _ROUND_S * _ROUNDS,
    )

    assert (result.returncode, result.stderr) == (0, "")
    figures = json.loads(result.stdout)
    assert figures["kills"] == 3 * _ROUNDS
    assert figures["inside"] >= _LEAST_INSIDE_RATIO * figures["kills"]
    assert figures["acknowledged"] > _ROUNDS
