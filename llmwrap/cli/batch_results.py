"""Results of a batch as OUTPUT has them: an object, OpenAI's form, cells of a table."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from ..batch.task import Done
from ..errors import LLMWrapError, ProtocolError
from ..log import SILENT
from ..messages import Completion, Json
from .extract import extracted
from .fronts import completion_fields
from .output import error_fields


def line_fields(done: Done) -> dict[str, Json]:
    """Return a result as the object of its line."""
    fields: dict[str, Json] = {"id": done.task.id, "key": done.key}
    if done.completion is not None:
        fields |= completion_fields(done.completion)
    else:
        fields |= {"text": done.text, "cached": False, "finish_reason": None}
        fields |= {"usage": None, "timings": None, "attempts": None}
    if done.value is not None:
        fields["value"] = done.value
    if done.code is not None:
        fields["code"] = done.code
    fields["error"] = _error(done.error)
    return fields


def openai_fields(done: Done) -> dict[str, Json]:
    """Return a result as a line of OpenAI's batches."""
    fields: dict[str, Json] = {
        "id": f"batch_req_{done.key}",
        "custom_id": done.task.id,
        "key": done.key,
        "response": None,
        "error": None,
    }
    if done.code is not None:
        fields["code"] = done.code
    if done.error is not None:
        fields["error"] = {"code": done.error.kind, "message": str(done.error)}
    if done.completion is not None:
        fields["response"] = {
            "status_code": 200,
            "request_id": done.key,
            "body": _chat_completion(done.key, done.completion),
        }
    return fields


def _chat_completion(key: str, completion: Completion) -> dict[str, Json]:
    prompt, answer = completion.usage
    return {
        "id": f"chatcmpl-{key}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": completion.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": completion.text},
                "finish_reason": completion.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": (prompt or 0) + (answer or 0),
        },
    }


def _error(error: LLMWrapError | None) -> Json:
    return None if error is None else error_fields(error)


def with_code(done: Done, wanted: str) -> Done:
    """Return a result with the code of its answer; without any the item failed."""
    if done.completion is None:
        return done
    try:
        found = extracted(done.completion, wanted, SILENT)
    except ProtocolError as error:
        return done._replace(completion=None, error=error, text=done.completion.text)
    return done._replace(code=found.text)


def text_cell(done: Done) -> list[str]:
    """Return the answer, or its code, as the one cell that it fills."""
    if done.code is not None:
        return [done.code]
    return [done.completion.text if done.completion else ""]


def property_cells(names: Sequence[str], done: Done) -> list[str]:
    """Return the properties of an answer; what is no text stands as JSON."""
    value = done.value
    if not isinstance(value, dict):
        return (text_cell(done) + [""] * len(names))[: len(names)]
    found = [value.get(name) for name in names]
    return [
        one if isinstance(one, str) else "" if one is None else json.dumps(one)
        for one in found
    ]
