"""A load test as one HTML file that needs nothing else.

No script, no request to anywhere: a policy in the page itself forbids both. All that a
server or a user named is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .compare import Change
from .plots import Plot
from .summary import Outcome, Report
from .text import (
    Row,
    change_rows,
    figure_rows,
    head_rows,
    known_spread,
    latency_rows,
    sample_rows,
)

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.5rem 4rem; background: #fff;
  color: #0f172a; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .25rem 0; }
.when, figcaption, .note { color: #475569; font-size: .875rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.25rem, 1fr));
  gap: .75rem; margin: 1.5rem 0; padding: 0; list-style: none; }
.tiles li { background: #f1f5f9; border-radius: .5rem; padding: .75rem; }
.tiles strong { display: block; font-size: 1.2rem; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.tiles .bad { background: #fee2e2; }
.tiles span { color: #475569; font-size: .8rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; text-align: right; border-bottom: 1px solid #e2e8f0; }
th { color: #475569; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.pairs td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.pairs td:first-child { color: #475569; white-space: nowrap; width: 9rem; }
tr.worse td { background: #fee2e2; } tr.better td { background: #dcfce7; }
.wide { overflow-x: auto; max-height: 32rem; }
figure { margin: .5rem 0 0; } figure svg { width: 100%; height: auto; }
.interrupted { background: #fef3c7; padding: .5rem 1rem; border-radius: .5rem; }
@media print { h2, figure { break-inside: avoid; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Load test of {title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def page_of(
    outcome: Outcome,
    summary: Report,
    plots: Sequence[Plot],
    changes: Sequence[Change] = (),
    *,
    has_samples: bool = False,
) -> str:
    """Return the page of a test; `has_samples` puts every request into a table."""
    title = outcome.setting.model or "a model"
    head, *pairs = head_rows(outcome, summary)
    parts = [
        f"<h1>Load test of {escape(title)}</h1>",
        f'<p class="when">{escape(head[1])}</p>',
    ]
    if outcome.is_interrupted:
        parts.append(
            '<p class="interrupted">The test was interrupted: these are the requests'
            " that ended before.</p>"
        )
    parts.append(_tiles(summary))
    if changes:
        parts.append("<h2>Compared with the baseline</h2>")
        parts.append(_change_table(changes))
        parts.append(f'<p class="note">{escape(known_spread(changes))}</p>')
    parts += ["<h2>Latencies</h2>", _table(latency_rows(summary))]
    parts += [_figure(plot) for plot in plots]
    parts += ["<h2>The test</h2>", _pairs(pairs)]
    parts += ["<h2>Figures</h2>", _pairs(figure_rows(summary))]
    if has_samples:
        parts += [
            "<h2>Samples</h2>",
            f'<div class="wide">{_table(sample_rows(outcome.samples))}</div>',
        ]
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(parts))


def _figure(plot: Plot) -> str:
    title = escape(plot.title)
    svg = plot.svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    caption = f"<figcaption>{escape(plot.caption)}</figcaption>"
    return f"<h2>{title}</h2>\n<figure>{svg}{caption}</figure>"


def _tiles(summary: Report) -> str:
    ttft, e2e = summary.latencies["ttft_s"], summary.latencies["e2e_s"]
    speed = summary.tokens_per_s
    tiles = [
        (str(summary.requests), "requests", False),
        (str(summary.errors), "failed", bool(summary.errors)),
        (f"{ttft.p95 * 1e3:,.1f} ms" if ttft else "-", "TTFT p95", False),
        (f"{e2e.p95 * 1e3:,.1f} ms" if e2e else "-", "E2E p95", False),
        (f"{summary.requests_per_s:,.1f}", "requests/s", False),
        ("-" if speed is None else f"{speed:,.1f}", "tokens/s", False),
    ]
    if summary.goodput_ratio is not None:
        tiles.append((f"{summary.goodput_ratio:.1%}", "goodput", False))
    if summary.hit_ratio is not None:
        tiles.append((f"{summary.hit_ratio:.1%}", "cache hits", False))
    items = [
        f"<li{' class=bad' if is_bad else ''}><strong>{escape(value)}</strong>"
        f"<span>{escape(name)}</span></li>"
        for value, name, is_bad in tiles
    ]
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _table(rows: Iterable[Row]) -> str:
    titles, *others = rows
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "\n".join(f"<tr>{_cells(row)}</tr>" for row in others)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _change_table(changes: Sequence[Change]) -> str:
    titles, *rows = change_rows(changes)
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "\n".join(
        f'<tr class="{change.verdict}">{_cells(row)}</tr>'
        for change, row in zip(changes, rows, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _pairs(rows: Iterable[Row]) -> str:
    body = "\n".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f'<table class="pairs"><tbody>\n{body}\n</tbody></table>'


def _cells(row: Row) -> str:
    return "".join(f"<td>{escape(cell) or '-'}</td>" for cell in row)
