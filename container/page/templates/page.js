// Draws the charts of the page, and again when their places change.
const figures = JSON.parse(document.getElementById("page-charts").textContent);
const PAPER_PX = 690; // A4 or letter, less its margins

// As wide as its place, unless the chart says at least and at most how wide.
function widthOf(place, { least = 0, most = Infinity }) {
  return Math.max(least, Math.min(most, place.clientWidth));
}

function draw(id) {
  const place = document.getElementById(id);
  const { layout } = figures[id];
  const printed = matchMedia("print").matches;
  const width = printed ? Math.min(place.clientWidth, PAPER_PX) : widthOf(place, layout);
  if (width) drawChart(place, figures[id], width);
}

function drawAll() {
  for (const id of Object.keys(figures)) draw(id);
}

drawAll();

const widths = new Map();
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (widths.has(target.id) && widths.get(target.id) !== contentRect.width) draw(target.id);
    widths.set(target.id, contentRect.width);
  }
});
for (const id of Object.keys(figures)) watcher.observe(document.getElementById(id));

// In print, a chart is as wide as the page, and folded details are open.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const element of unfolded) element.open = true;
});
addEventListener("afterprint", () => {
  for (const element of unfolded) element.open = false;
});
matchMedia("print").addEventListener("change", drawAll);
