"""What the embedded server uses of xllamacpp, without a model and without its weight.

The "model" is `GGUF` and a JSON object that says how to behave: `starts` is a file to
add a line with the pid to, `gate` a file to wait for before the model is "loaded",
`error` what to log before failing, `abort` to die as llama.cpp's assertions do,
`busy` a file that means, while it exists, that an answer is in flight, `looks` a file
that gets one byte each time the server is asked for its metrics.
"""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any


class CommonParams(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(
            model=SimpleNamespace(path=""),
            cpuparams=SimpleNamespace(n_threads=-1),
            cpuparams_batch=SimpleNamespace(n_threads=-1),
        )


def get_device_info() -> list[dict[str, Any]]:
    return [{"type": SimpleNamespace(name="GGML_BACKEND_DEVICE_TYPE_CPU")}]


class Server:
    def __init__(self, parameters: Any) -> None:
        with open(parameters.model.path, "rb") as file:
            self._behaviour = json.loads(file.read()[4:])
        _append(self._behaviour.get("starts"), f"{os.getpid()}\n")
        while gate := self._behaviour.get("gate"):
            if os.path.exists(gate):
                break
            time.sleep(0.005)
        if self._behaviour.get("abort"):
            os.abort()
        if error := self._behaviour.get("error"):
            sys.stderr.write(f"0.00.045.619 E llama_model_load: {error}\n")
            sys.stderr.flush()
            raise RuntimeError("Failed to init server, please check the input params.")
        handler = type("Handler", (_Handler,), {"parameters": parameters})
        address = (parameters.hostnames[0], parameters.port)
        self._http = http.server.ThreadingHTTPServer(address, handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        """End it; the real one ends with its process."""
        self._http.shutdown()
        self._http.server_close()

    def handle_metrics(self) -> str:
        _append(self._behaviour.get("looks"), ".")
        busy = os.path.exists(self._behaviour.get("busy", ""))
        return f"llamacpp:requests_processing {int(busy)}\n"


class _Handler(http.server.BaseHTTPRequestHandler):
    parameters: Any

    def do_GET(self) -> None:
        allowed = [f"Bearer {key}" for key in self.parameters.api_keys]
        is_allowed = self.headers.get("Authorization") in allowed
        body = json.dumps({"id": sorted(self.parameters.model_alias)}).encode()
        self.send_response(200 if is_allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _append(path: str | None, text: str) -> None:
    if path:
        with open(path, "a") as file:
            file.write(text)
