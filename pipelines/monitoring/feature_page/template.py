"""How the page looks, and what it does: its style sheet, and the script that sorts tables and draws plots in sight."""

STYLE = """
:root { --ink: #1d2733; --quiet: #5d6b7a; --line: #e1e6ec; --good: #1b7f4b; --warn: #a86400; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #f6f8fa; }
header, main { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; }
h1 { margin: 0; font-size: 30px; } h2 { margin: 0 0 6px; font-size: 20px; } h3 { margin: 0 0 4px; font-size: 16px; }
p { margin: 4px 0; } .quiet, small { color: var(--quiet); font-size: 13px; }
code { font: 12.5px ui-monospace, monospace; }
a { color: #1a5fb4; text-decoration: none; } a:hover { text-decoration: underline; }
section, .card { background: #fff; border: 1px solid var(--line); border-radius: 8px; }
section { padding: 18px 20px; margin: 18px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(185px, 1fr)); gap: 12px; margin: 18px 0; }
.card { padding: 12px 14px; border-top: 4px solid #8aa0b6; }
.card span { display: block; color: var(--quiet); font-size: 13px; }
.card strong { display: block; font-size: 22px; line-height: 1.3; }
.card small { display: block; line-height: 1.35; }
.card.good { border-top-color: var(--good); } .card.warn { border-top-color: var(--warn); }
.card.bad { border-top-color: var(--bad); }
.good { color: var(--good); } .card.good { color: inherit; } .card.bad, .card.warn { color: inherit; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { font-weight: 600; color: var(--quiet); background: #fff; }
th[data-sort=text], th[data-sort=number] { cursor: pointer; user-select: none; }
th[data-up]::after { content: " \\25B2"; } th[data-down]::after { content: " \\25BC"; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tbody tr:hover { background: #f6f8fa; }
.spark { display: block; fill: #6b8fb8; }
.badge { display: inline-block; min-width: 52px; padding: 0 7px; border-radius: 9px; background: #eceff3;
  font-size: 13px; font-weight: 600; text-align: center; }
.badge.good { background: #e2f3ea; color: var(--good); } .badge.warn { background: #fdf0d8; color: var(--warn); }
.badge.bad { background: #fbe3e1; color: var(--bad); }
article { padding: 14px 0; border-top: 1px solid var(--line); scroll-margin-top: 8px; }
article:first-of-type { border-top: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 10px; min-height: 250px; }
@media print { section { break-inside: avoid; } }
"""

SCRIPT = """
const plots = JSON.parse(document.getElementById("plots").textContent);
const config = { displayModeBar: false, responsive: true };
// Plotly writes into what it is given, so that every plot needs objects of its own.
const axis = (more) => ({ gridcolor: "#e8ecf0", zeroline: false, ...more });
const look = (title, more) => ({
  height: 250, margin: { l: 52, r: 12, t: 38, b: 34 }, font: { family: "system-ui, sans-serif", size: 12 },
  paper_bgcolor: "white", plot_bgcolor: "white", bargap: 0.05, title: { text: title, x: 0, font: { size: 13 } },
  legend: { orientation: "h", y: 1, yanchor: "bottom", x: 1, xanchor: "right" }, ...more });

function draw(box) {
  const each = plots[Number(box.dataset.number)], [left, right] = box.children;
  if (each.labels.length) {
    const x = each.text ? each.labels : each.at;
    const said = { x, customdata: each.labels, hovertemplate: "%{customdata}: %{y:.2%}" };
    const bars = [{ type: "bar", ...said, y: each.now, name: "this version", marker: { color: "#6b8fb8" } }];
    const others = [["newest rows", each.newest, "#b3261e"], ["training version", each.trained, "#a86400"]];
    for (const [name, y, color] of others)
      if (y.length) bars.push({ type: "scatter", mode: "lines", ...said, y, name,
        line: { color, width: 1.5, shape: each.text ? "linear" : "hvh" } });
    Plotly.newPlot(left, bars, look("Distribution", { xaxis: axis({ type: each.text ? "category" : "linear" }),
      yaxis: axis({ tickformat: ".0%", rangemode: "tozero" }) }), config);
  }
  if (!each.text && each.weeks.length) {
    const band = { mode: "lines", x: each.weeks, line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    Plotly.newPlot(right, [
      { ...band, y: each.low },
      { ...band, y: each.high, fill: "tonexty", fillcolor: "rgba(107,143,184,0.25)", name: "5 to 95 %",
        showlegend: true },
      { mode: "lines", x: each.weeks, y: each.median, name: "median", line: { color: "#2f5d8c", width: 2 },
        customdata: each.low.map((low, at) => [low, each.high[at], each.nulls[at]]),
        hovertemplate: "week of %{x}<br>median %{y}<br>5 to 95 %: %{customdata[0]} to %{customdata[1]}"
          + "<br>missing %{customdata[2]:.1%}<extra></extra>" },
    ], look("By week of arrival", { xaxis: axis({ type: "date" }), yaxis: axis() }), config);
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "600px" });
document.querySelectorAll(".plots").forEach((box) => seen.observe(box));

function sortBy(head) {
  const table = head.closest("table"), at = [...head.parentNode.children].indexOf(head);
  const number = head.dataset.sort === "number", down = number ? !("down" in head.dataset) : "up" in head.dataset;
  const value = (row) => { const text = row.children[at].dataset.order; return number && text !== "" ? +text : text; };
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [first, second] = [value(one), value(other)];
    if (first === "" || second === "") return (first === "") - (second === "");
    return (first < second ? -1 : first > second ? 1 : 0) * (down ? -1 : 1);
  });
  table.querySelectorAll("th").forEach((each) => { delete each.dataset.up; delete each.dataset.down; });
  head.dataset[down ? "down" : "up"] = "";
  table.tBodies[0].append(...rows);
}
document.querySelectorAll("th[data-sort=text], th[data-sort=number]").forEach((head) =>
  head.addEventListener("click", () => sortBy(head)));
"""
