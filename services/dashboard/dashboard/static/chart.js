// Draws the table of event rates that stands on the page; whoever does not see the chart reads the table.
(() => {
  "use strict";
  const place = document.getElementById("chart");
  const root = document.documentElement;
  let drawn = "";

  function figures() {
    const x = [], evd = [], crowd = [];
    for (const row of document.querySelectorAll("#timeline tbody tr")) {
      x.push(new Date(Number(row.dataset.at) * 1000));
      evd.push(Number(row.dataset.evd));
      crowd.push(Number(row.dataset.crowd));
    }
    return { x, evd, crowd };
  }

  function draw(force) {
    const rows = figures();
    const said = JSON.stringify(rows);
    if (!window.Plotly || (said === drawn && !force)) return;
    drawn = said;
    const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    const comma = root.lang === "es" ? ",." : ".,";
    const bars = (name, y, fill, pattern) => ({
      type: "bar", name, x: rows.x, y, hovertemplate: "%{y:,}",
      marker: { color: fill, line: { width: 0 }, pattern },
    });
    const step = Number(document.getElementById("timeline").dataset.step) * 1000;
    const evd = bars(place.dataset.evd, rows.evd, colour("--evd"), {});
    const crowd = bars(place.dataset.crowd, rows.crowd, colour("--crowd"),
      { shape: "/", fgcolor: colour("--surface"), fgopacity: 0.35, size: 6, solidity: 0.25, fillmode: "overlay" });
    for (const trace of [evd, crowd]) { trace.width = step * 0.82; trace.offset = step * 0.09; }
    const top = Math.max(1, ...rows.evd.map((n, i) => n + rows.crowd[i]));
    window.Plotly.react(place, [evd, crowd], {
      barmode: "stack", showlegend: false, height: 260, separators: comma,
      margin: { l: 46, r: 8, t: 8, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--quiet") },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--surface"), bordercolor: colour("--edge"), font: { color: colour("--ink") } },
      xaxis: { type: "date", fixedrange: true, showgrid: false, linecolor: colour("--line"), tickcolor: colour("--line"),
        tickformat: step >= 86400000 ? "%d/%m" : step >= 3600000 ? "%d/%m %H:%M" : "%H:%M", nticks: 8, tickangle: 0,
        hoverformat: step >= 86400000 ? "%Y-%m-%d" : "%Y-%m-%d %H:%M" },
      yaxis: { fixedrange: true, gridcolor: colour("--line"), zeroline: false, rangemode: "tozero", tickformat: ",d",
        range: [0, top * 1.08], nticks: 5 },
    }, { displayModeBar: false, responsive: true });
  }

  document.addEventListener("gantry:changed", () => draw(false));
  document.addEventListener("gantry:theme", () => draw(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
  draw(false);
})();
