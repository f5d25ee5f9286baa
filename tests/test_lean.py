"""requests is imported leanly where the process is ours, and works."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys, warnings
warnings.simplefilter("error")
from llmwrap.transport.lean import import_requests
import_requests()
import requests
assert "charset_normalizer" not in sys.modules
assert requests.compat.chardet is None
import charset_normalizer
response = requests.Response()
response._content = "é".encode()
print(ascii(response.text))
"""


def test_requests_works_without_its_guessers_and_nobody_else_misses_them() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "'\\xe9'\n", "")
