// Draws the charts in the page's colours, and again when the reader's light or dark preference changes.
const figures = JSON.parse(document.getElementById("figures").textContent);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function coloured(figure) {
  const { data, layout } = structuredClone(figure);
  for (const trace of data) {
    const number = trace.meta % 3;
    trace.marker = { ...trace.marker, color: css(`--split-${number}`), line: { width: 0 } };
    trace.textfont = { color: css(`--on-split-${number}`) };
  }
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line") });
  }
  Object.assign(layout, {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--text") } },
    margin: { t: layout.xaxis.side === "top" ? 50 : 12, r: 12, b: layout.xaxis.side === "top" ? 12 : 44, l: 12 },
    dragmode: false,
  });
  return { data, layout, config: { displayModeBar: false, responsive: true } };
}

function draw() {
  for (const [id, figure] of Object.entries(figures)) {
    Plotly.react(id, coloured(figure));
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
