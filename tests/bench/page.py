"""The report: one HTML file that needs nothing else, no script and no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from .compare import Change, shown
from .keeping import Kept

if TYPE_CHECKING:
    from .plots import Plot

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; background: #fff;
  color: #0f172a; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
.when, figcaption { color: #475569; font-size: .875rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; text-align: left; border-bottom: 1px solid #e2e8f0; }
th { color: #475569; font-weight: 600; }
.missed td:last-child, .worse td:last-child { background: #fee2e2; }
.met td:last-child, .better td:last-child { background: #dcfce7; }
figure { margin: .5rem 0 0; } figure svg { width: 100%; height: auto; }
@media print { h2, figure { break-inside: avoid; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>llmwrap: figures</title>
<style>{style}</style>
</head>
<body>
<h1>llmwrap: figures</h1>
<p class="when">{when}</p>
{body}
</body>
</html>
"""


def page(run: Kept, plots: Sequence[Plot], changes: Sequence[Change]) -> str:
    """Return the whole report of a run."""
    figures = [
        (one.result, (one.what, one.goal, one.measured, one.result))
        for one in run.figures
    ]
    parts = [_table("Figures", ("what", "goal", "measured", "result"), figures)]
    parts += map(_figure, plots)
    if run.inner:
        paths = [
            ("", (one.name, shown(one.median_s), shown(one.q1_s), shown(one.q3_s)))
            for one in run.inner
        ]
        titles: tuple[str, ...] = ("path", "median", "1st quartile", "3rd quartile")
        parts.append(_table("Inner paths", titles, paths))
    if changes:
        rows = [
            (
                one.verdict,
                (one.what, one.before, one.now, f"{one.ratio:.2f}", one.verdict),
            )
            for one in changes
        ]
        titles = ("what", "then", "now", "now over then", "verdict")
        parts.append(_table("Beside the run before", titles, rows))
    found = run.machine
    machine = f"{found['python']}, {found['cores']} cores of {found['processor']}"
    when = escape(f"{run.title}; {machine}, {found['system']}")
    return _PAGE.format(style=_STYLE, when=when, body="\n".join(parts))


def _figure(plot: Plot) -> str:
    caption = f"<figcaption>{escape(plot.caption)}</figcaption>"
    return f"<h2>{escape(plot.title)}</h2>\n<figure>{plot.svg}{caption}</figure>"


def _table(
    title: str,
    titles: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
) -> str:
    """Return a table; what stands beside the cells of a row is its class."""
    lines = [f"<h2>{escape(title)}</h2>", "<table>", _line("th", "", titles)]
    lines += [_line("td", kind, cells) for kind, cells in rows]
    return "\n".join([*lines, "</table>"])


def _line(tag: str, kind: str, cells: Sequence[str]) -> str:
    inner = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return f'<tr class="{escape(kind)}">{inner}</tr>'
