"""What becomes of a question that the cache has no answer to: a server is asked.

No hit imports this module.
"""

from __future__ import annotations

from ..backends.base import WireRequest
from ..log import Log
from ..transport.cancel import CancelToken
from .access import Access
from .answer import Answer
from .asking import Asking, Streams
from .caching import Caching
from .hashing import Hashing
from .live import LiveAnswer
from .question import Addressee, Question, Questions
from .runs import RunRecord
from .stored import StoredCourse
from .targets import Targets


class Dispatch:
    """Put questions to servers; any thread may call it."""

    def __init__(
        self,
        access: Access,
        questions: Questions,
        caching: Caching,
        targets: Targets,
        log: Log,
    ) -> None:
        self._access = access
        self._questions = questions
        self._caching = caching
        self._targets = targets
        self._log = log
        self._pool = _pool(access)

    def close(self) -> None:
        """Cancel what is under way; nothing can be asked any more."""
        self._pool.close()

    def ask_server(
        self,
        question: Question,
        called_at: float,
        run: RunRecord,
        cancel: CancelToken | None,
        hashing: Hashing,
    ) -> Answer:
        """Return the answer of a server, or one that the cache was given meanwhile."""
        checker = None
        if schema := question.request.schema:
            from ..schemas.checking import checker_of  # late: few answers have one

            # A schema that is none is found out before anybody is asked.
            checker = checker_of(schema)
        cancel = cancel or CancelToken()
        target = self._targets.target(question.selection, cancel)
        cancel.check()
        found = Addressee(target.config, target.model)
        question = run.question = self._questions.completed(question, found)
        question = self._questions.filed(question, self._targets.backend, hashing)
        self._targets.warn_of_options(target.backend, question.request)
        keeping = self._caching.keeping(question, target.backend)
        if keeping is None or (entry := keeping.begin()) is None:
            asking = Asking(
                question=question,
                request=question.request,
                config=target.config,
                backend=target.backend,
                targets=self._targets,
                pool=self._pool,
                patience=self._access.patience(target.config, called_at),
                answer_limit_bytes=self._access.config.limits.answer_bytes,
                log=self._log,
                called_at=called_at,
                record=run.end,
                keeping=keeping,
                cancel=cancel,
            )
            if checker:
                from .structured import StructuredAnswer

                return StructuredAnswer(asking, checker)
            return LiveAnswer(asking)
        question = keeping.question
        course = StoredCourse(entry, question, called_at, self._log, run.end)
        return Answer(course)

    def wire_request(self, question: Question) -> WireRequest:
        """Return the request that would be sent; it may look up the model."""
        target = self._targets.target(question.selection)
        request = question.request._replace(model=target.model)
        self._targets.warn_of_options(target.backend, request)
        if request.schema:
            from ..schemas.checking import checker_of  # late, as above
            from ..schemas.sending import instructed

            checker_of(request.schema)
            request = instructed(request)
        return target.backend.wire_request(request)


def _pool(access: Access) -> Streams:
    if access.choice.is_measured or access.choice.is_inline:
        from .inline import InlineStreams

        return InlineStreams()
    from ..streams import StreamPool

    streaming = access.config.streaming
    return StreamPool(streaming.max_concurrent_streams, streaming.buffer_chunks)
