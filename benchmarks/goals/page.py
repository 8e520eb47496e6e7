"""One page of HTML with every row of the table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What each recipe reaches</title>
<style>
:root { color-scheme: light dark; --faint: #767676; --good: #1a7f37; --bad: #b42318; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem .45rem 0; border-bottom: 1px solid #8884; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
small, .faint { color: var(--faint); } .good { color: var(--good); } .bad { color: var(--bad); }
code { font-size: 13px; overflow-wrap: anywhere; }
</style></head><body>
<h1>What each recipe reaches</h1>
<p>Real data, the test rows of each; every score beside what it must beat. Intervals are of {{ confidence }}: by the
bootstrap over groups where there is one run, over runs where there are several. Time is that of what a run made itself:
what another run had prepared is not made twice.{% if quick %}
<strong>Shortened: a few rows, one epoch. These numbers only say that the path works.</strong>{% endif %}</p>
<table><thead><tr><th>data</th><th>score</th><th>value</th><th>goal</th><th>floors</th><th>runs</th><th>parameters</th>
<th>time</th></tr></thead><tbody>
{% for row in rows %}<tr>
<td><strong>{{ row.name }}</strong><br><small>{{ row.what }}</small></td><td>{{ row.metric }}</td>
<td class="number"><strong>{{ "%.4g"|format(row.ours) }}</strong>
{% if row.spread %}<br><small>{{ "%.4g to %.4g"|format(*row.spread) }}</small>{% endif %}</td>
<td class="number">{% if row.goal is none %}<span class="faint">shown</span>
{% else %}{% if row.met is not none %}<span class="{{ 'good' if row.met else 'bad' }}">
{{ 'reached' if row.met else 'not reached' }}</span><br>{% endif %}
<small>{{ '≥' if row.better == 'up' else '≤' }} {{ "%.4g"|format(row.goal) }}</small>{% endif %}</td>
<td><small>{% for name, value in row.floors.items() %}{{ name }} {{ "%.4g"|format(value) }}<br>{% endfor %}</small></td>
<td><small>{% for name, value in row.runs.items() %}{{ name }} {{ "%.4g"|format(value) }}<br>{% endfor %}</small></td>
<td class="number">{{ "{:,}".format(row.parameters) }}</td>
<td class="number">{{ "%.0f s"|format(row.seconds) }}</td></tr>
{% endfor %}</tbody></table>
<h2>To make one of them again</h2>
{% for row in rows %}<p><strong>{{ row.name }}</strong><br><code>mm compose {{ row.choices }}</code></p>
{% endfor %}</body></html>
"""


def write_page(path: Path, rows: Sequence[dict[str, Any]], *, quick: bool) -> None:
    """rows: as `quality.py --json` prints them."""
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(TEMPLATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(rows=rows, quick=quick, confidence="95 %"), encoding="utf-8")
