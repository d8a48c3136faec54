"""A picture as one HTML page: the drawing, a table that says the same in words, and lines that light up on hover.

The page is whole in itself: no request leaves it, so it may be kept with a build or opened from a disk.
"""

from collections.abc import Iterator

from dbt_af_k8s.plan.render.layout import Drawing
from dbt_af_k8s.plan.render.svg import escaped, stylesheet, to_svg
from dbt_af_k8s.plan.render.text import SummaryRow, summary_rows
from dbt_af_k8s.plan.values import Plan

_PAGE_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,-apple-system,'Segoe UI',
Roboto,'Helvetica Neue',Arial,sans-serif}
main{padding:12px 0 48px}
.picture{overflow:auto;border-bottom:1px solid var(--line);padding:0 16px 8px}
.picture svg{display:block;margin:0 auto;max-width:100%;height:auto}
section,footer{max-width:1180px;margin:0 auto;padding:0 28px}
h2{font-size:17px;margin:32px 0 8px}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%;background:var(--card);font-size:14px}
th,td{text-align:left;vertical-align:top;padding:9px 14px;border:1px solid var(--line)}
thead th{color:var(--soft);font-weight:600;background:var(--chip)}
tbody th{font-weight:600}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
td.wrong{color:var(--broken);font-weight:600}
footer{margin-top:24px;color:var(--soft);font-size:13px}
.box{cursor:default}
.picture.chosen .box,.picture.chosen .arrow{opacity:.16}
.picture.chosen .box.lit,.picture.chosen .arrow.lit,.picture.chosen .legend .arrow{opacity:1}
.box:focus{outline:none}.box:focus .card{stroke:var(--scheduled);stroke-width:2}
.box,.arrow{transition:opacity .12s}
@media (prefers-reduced-motion:reduce){.box,.arrow{transition:none}}
@media print{.picture{overflow:visible}}
"""

_SCRIPT = """
const picture = document.querySelector('.picture');
const boxes = [...picture.querySelectorAll('.box')];
const arrows = [...picture.querySelectorAll('.arrow[data-from]')];
const show = key => {
  picture.classList.toggle('chosen', key !== null);
  const near = new Set([key]);
  for (const arrow of arrows) {
    const {from, to} = arrow.dataset;
    arrow.classList.toggle('lit', from === key || to === key);
    if (from === key) near.add(to);
    if (to === key) near.add(from);
  }
  for (const box of boxes) box.classList.toggle('lit', near.has(box.dataset.key));
};
for (const box of boxes) {
  box.setAttribute('tabindex', '0');
  box.addEventListener('mouseenter', () => show(box.dataset.key));
  box.addEventListener('focus', () => show(box.dataset.key));
  box.addEventListener('mouseleave', () => show(null));
  box.addEventListener('blur', () => show(null));
}
"""


def to_html(drawing: Drawing, plan: Plan) -> str:
    """The page for a drawing of a plan. Ends in a newline."""
    picture = drawing.picture
    origin = (
        f"Project {escaped(plan.project)}, dbt {escaped(plan.dbt_version)}, "
        f"manifest <code>{escaped(plan.manifest_sha256[:12])}</code>. Written by dbt-af-k8s."
    )
    # A wide picture shrinks to the window as long as its texts can be read, and scrolls from there on.
    readable = to_svg(drawing).replace("<svg ", f'<svg style="min-width:{drawing.width * 0.72:.0f}px" ', 1)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escaped(picture.title)}</title>",
        f"<style>{stylesheet()}{_PAGE_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f'<div class="picture">\n{readable}</div>',
        *_table(summary_rows(plan)),
        f"<footer>{origin}</footer>",
        "</main>",
        f"<script>{_SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _table(rows: tuple[SummaryRow, ...]) -> Iterator[str]:
    yield "<section><h2>DAGs</h2>"
    yield '<div class="table"><table><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("DAG", "Domain", "Schedule", "Runs", "Waits for"))
    yield "</tr></thead><tbody>"
    for row in rows:
        runs = ", ".join(f"{count} {word}" for word, count in row.runs)
        yield f'<tr><th scope="row"><code>{escaped(row.dag_id)}</code></th><td>{escaped(row.domain)}</td>'
        yield f"<td>{escaped(row.schedule)}</td>"
        yield '<td class="wrong">broken: see check</td>' if row.is_broken else f"<td>{escaped(runs)}</td>"
        yield f"<td>{'<br>'.join(f'<code>{escaped(dag_id)}</code>' for dag_id in row.waits_for) or 'nothing'}</td></tr>"
    yield "</tbody></table></div></section>"
