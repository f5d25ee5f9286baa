"""Make the home of an older llmwrap anew: `make.py PYTHON DIRECTORY`.

PYTHON is the interpreter of an environment that has the llmwrap whose files are wanted
(those beside this script: commit e23746a). Nothing in what it leaves depends on where
it ran: no record of direct mode, which knows paths, and one port of the server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT = 47113
DIGEST = "sha256:0f1e"
MODELS: list[dict[str, Any]] = [
    {"name": "alpha:latest", "digest": DIGEST, "modified_at": "2026-01-02T03:04:05Z"}
]
PIECES = ("An", " older", " answer.")
CONFIG = f"""
[backends.desk]
backend_type = "Ollama"
base_url = "http://127.0.0.1:{PORT}"
[backends.lab]
backend_type = "OpenAI"
base_url = "http://127.0.0.1:{PORT}/v1"
[cache]
ttl = "0"
"""
TEMPLATE = """+++
description = "Greet somebody"
+++
Greet {{name}} in {{tone}} words.
"""
REMEMBER = (
    "import os; from llmwrap.repl.input_history import InputHistory;"
    "InputHistory(os.environ).store_string('What did I ask?')"
)


class _Handler(BaseHTTPRequestHandler):
    """Speak as much of Ollama and of OpenAI as is asked for here."""

    def do_GET(self) -> None:
        """List the models."""
        self._send(json.dumps({"models": MODELS, "version": "0.1"}))

    def do_POST(self) -> None:
        """Answer."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/chat":
            named = {"model": "alpha:latest", "done": False}
            lines = [{**named, "message": {"content": piece}} for piece in PIECES]
            end = {"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
            lines.append({**named, **end, "done": True})
            self._send("".join(json.dumps(line) + "\n" for line in lines))
            return
        choices = [{"index": 0, "delta": {"content": piece}} for piece in PIECES]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        events = [{"model": asked["model"], "choices": [one]} for one in choices]
        data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self._send(data + "data: [DONE]\n\n", "text/event-stream")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name
        """Say nothing."""

    def _send(self, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(python: str, directory: str) -> None:
    """Run the older program on everything it keeps."""
    home = Path(directory)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, mode=0o700)
    environ = {
        "HOME": str(home),
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "LLMWRAP_DIRECT": "0",
        **{f"XDG_{name.upper()}_HOME": str(home / name) for name in _XDG},
    }
    config = home / "config" / "llmwrap"
    config.mkdir(parents=True, mode=0o700)
    (config / "config.toml").write_text(CONFIG.lstrip(), encoding="utf-8")

    def run(*argv: str, stdin: str = "") -> None:
        command = [python, "-m", "llmwrap", *argv]
        subprocess.run(
            command, env=environ, input=stdin, text=True, cwd=home, check=True
        )

    server = ThreadingHTTPServer(("127.0.0.1", PORT), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run("-b", "desk", "-m", "alpha", "Why?")
    run("-b", "desk", "-m", "alpha", "Why?")  # a hit
    run("-b", "lab", "-m", "beta", "-s", "Be brief.", "-o", "top_k=1", "How?")
    run("-b", "desk", "-c", "And then?")
    run("chat", "-b", "desk", "-m", "alpha", stdin="First?\nSecond?\n")
    (home / "greet.mustache").write_text(TEMPLATE, encoding="utf-8")
    run("template", "create", "greet", "greet.mustache")
    (home / "greet.mustache").unlink()
    subprocess.run([python, "-c", REMEMBER], env=environ, cwd=home, check=True)
    server.shutdown()


_XDG = ("config", "cache", "state", "data")

if __name__ == "__main__":
    main(*sys.argv[1:])
