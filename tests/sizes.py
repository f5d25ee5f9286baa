"""Report files and functions that are longer than the measure; nothing fails.

python -m tests.sizes
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 50


def long_parts(path: Path) -> Iterator[str]:
    """Yield a line for a file, and for each of its functions, that is too long."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines"


if __name__ == "__main__":
    found = [
        part for path in Path("llmwrap").rglob("*.py") for part in long_parts(path)
    ]
    sys.stdout.write("".join(f"{part}\n" for part in sorted(found)))
    sys.stdout.write(
        f"{len(found)} longer than {FILE_LINES} lines a file, {FUNCTION_LINES} a"
        " function\n"
    )
