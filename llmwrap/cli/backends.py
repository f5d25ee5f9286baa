"""`backends`: who can be asked, and ending the embedded servers."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from ..messages import Json
from ..units import format_duration
from ..upkeep.embedded_servers import (
    EmbeddedReport,
    RunningServer,
    embedded_report,
    stop_embedded_servers,
)
from ..upkeep.listing import model_count
from ..upkeep.survey import (
    LOOKUP_S,
    BackendReport,
    all_candidates,
    limited,
    named_candidate,
    survey,
)
from .context import Context
from .output import error_fields
from .parser import (
    Command,
    Parser,
    Verb,
    add_backend,
    add_common,
    add_json,
)
from .session import Session
from .tables import Column

COMMAND = Command(
    name="backends",
    summary="See who can be asked, and stop embedded servers.",
    verbs=(
        Verb(
            "list",
            "List every backend, whether it answers and what it has.",
            add_arguments=add_backend,
        ),
        Verb("stop", "End the servers of the embedded backend."),
    ),
)

_COLUMNS = (
    Column("NAME"),
    Column("KIND"),
    Column("ADDRESS"),
    Column("VERSION"),
    Column("MODELS", is_right=True),
    Column("LATENCY", is_right=True),
    Column("STATE"),
)
_SERVER_COLUMNS = (
    Column("PID", is_right=True),
    Column("MODEL"),
    Column("ADDRESS"),
    Column("IDLE", is_right=True),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """List the backends or stop the embedded servers; return 0."""
    has_data = args.json or args.verb != "stop"
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=has_data)
        return (_stop if args.verb == "stop" else _list)(args, session)


def _list(args: argparse.Namespace, session: Session) -> int:
    context, config, choice = session.context, session.config, session.choice()
    named = named_candidate(config, choice, context.environ)
    candidates = [named] if named else all_candidates(config, choice, context.environ)
    with session.engine(is_one_shot=True) as engine:
        reports = survey(
            engine,
            candidates,
            timeout_s=limited(LOOKUP_S, context.stdin.until),
        )
    # The one reading of the wall clock: the servers' files have its times.
    embedded = embedded_report(context.environ, time.time())
    if args.json:
        rows = [_document(report, embedded) for report in reports]
        context.output.json_rows("backends", rows)
        return 0
    context.output.rows(_COLUMNS, [_cells(report, embedded) for report in reports])
    if embedded.servers:
        context.output.line("")
        context.output.rows(_SERVER_COLUMNS, map(_server_cells, embedded.servers))
    return 0


def _cells(report: BackendReport, embedded: EmbeddedReport) -> list[str]:
    latency_s = report.latency_s
    return [
        report.name,
        report.kind,
        report.address,
        report.version or "",
        "" if report.error else model_count(report.models),
        "" if latency_s is None else format_duration(latency_s),
        _state(report, embedded),
    ]


def _state(report: BackendReport, embedded: EmbeddedReport) -> str:
    if report.error is not None:
        return report.reason
    if report.kind != "embedded":
        return "reachable"
    if not embedded.is_installed:
        return "not installed"
    count = len(embedded.servers)
    return f"installed, {count} running" if count else "installed"


def _server_cells(server: RunningServer) -> list[str]:
    idle = "" if server.idle_s is None else format_duration(server.idle_s)
    address = server.address if server.is_ready else "loading"
    return [str(server.pid), server.model, address, idle]


def _document(report: BackendReport, embedded: EmbeddedReport) -> dict[str, Json]:
    document: dict[str, Json] = {
        "name": report.name,
        "kind": report.kind,
        "address": report.address or None,
        "configured": report.is_configured,
        "reachable": report.is_reachable,
        "error": error_fields(report.error) if report.error else None,
        "version": report.version,
        "models": [model.name for model in report.models],
        "embedding": [m.name for m in report.models if m.is_embedding],
        "remote": [m.name for m in report.models if m.remote],
        "latency_s": report.latency_s,
    }
    if report.kind == "embedded":
        document["installed"] = embedded.is_installed
        document["servers"] = [_server_document(s) for s in embedded.servers]
    return document


def _server_document(server: RunningServer) -> dict[str, Json]:
    return {
        "pid": server.pid,
        "model": server.model,
        "address": server.address or None,
        "ready": server.is_ready,
        "idle_s": server.idle_s,
    }


def _stop(args: argparse.Namespace, session: Session) -> int:
    stopped = stop_embedded_servers(session.context.environ)
    session.log.note(_stopped(stopped))
    if args.json:
        rows: list[dict[str, Json]] = [
            {"name": "embedded", "pid": server.pid, "model": server.model}
            for server in stopped
        ]
        session.output.json_rows("backends", rows)
    return 0


def _stopped(servers: Sequence[RunningServer]) -> str:
    if not servers:
        return "no embedded server was running"
    what = (
        "1 embedded server" if len(servers) == 1 else f"{len(servers)} embedded servers"
    )
    names = ", ".join(f"'{server.model}'" for server in servers)
    return f"stopped {what}: {names}"
