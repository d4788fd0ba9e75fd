// Draws the charts in the page's colours, and again when the light or dark preference changes.
const figures = JSON.parse(document.getElementById("page-charts").textContent);
const SERIES = 6; // colours in page.css
const PAPER_PX = 690; // A4 or letter, less its margins
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function coloured(figure) {
  const { data, layout } = structuredClone(figure);
  for (const trace of data.filter((trace) => Number.isInteger(trace.meta))) {
    const number = trace.meta % SERIES;
    if (trace.type === "heatmap") {
      trace.colorscale = [[0, css("--panel")], [1, css(`--series-${number}`)]];
      continue;
    }
    trace.marker = { ...trace.marker, color: css(`--series-${number}`), line: { width: 0 } };
    if (trace.line) trace.line.color = css(`--series-${number}`);
    trace.insidetextfont = { color: css(`--on-series-${number}`) };
  }
  for (const axis of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name)).map((name) => layout[name])) {
    Object.assign(axis, { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line") });
  }
  const onTop = layout.xaxis?.side === "top";
  Object.assign(layout, {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--text") } },
    margin: layout.margin ?? { t: onTop ? 50 : 12, r: 12, b: onTop ? 12 : 44, l: 12 },
    dragmode: false,
  });
  return { data, layout, config: { displayModeBar: false, responsive: true } };
}

function draw() {
  for (const [id, figure] of Object.entries(figures)) {
    const drawn = coloured(figure);
    if (matchMedia("print").matches) drawn.layout.width = Math.min(document.getElementById(id).clientWidth, PAPER_PX);
    Plotly.react(id, drawn);
  }
}

draw();

// In print, a chart is as wide as the page, and folded details are open.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const element of unfolded) element.open = true;
});
addEventListener("afterprint", () => {
  for (const element of unfolded) element.open = false;
});
matchMedia("print").addEventListener("change", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
