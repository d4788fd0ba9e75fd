// Draws a chart as SVG, as wide as its place. Its colours are the style sheet's, and so follow the reader's theme.

const SERIES = 6; // colours in page.css
const LINE_PX = 18;

function drawChart(place, { data, layout }, width) {
  const height = layout.height;
  const [x, y] = axesOf(data, layout);
  const map = data.find((trace) => trace.type === "heatmap");
  const key = map?.key ? 54 : 0;
  const rotated = fit(x, y, layout, width - key, height);
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: "main-svg", width, height, viewBox: `0 0 ${width} ${height}` })) {
    svg.setAttribute(name, value);
  }
  const clip = `clip-${place.id}`;
  const [left, right] = [x.from, x.to].sort((one, other) => one - other);
  const [top, bottom] = [y.from, y.to].sort((one, other) => one - other);
  const box = { x: left, y: top, width: right - left, height: bottom - top };
  add(add(svg, "clipPath", { id: clip }), "rect", box);
  const onTop = layout.xaxis.side === "top";
  drawAxes(svg, x, y, box, { data, rotated, onTop });
  const stacked = new Map();
  const layers = { bar: add(svg, "g", { class: "barlayer" }), scatter: add(svg, "g", { class: "scatterlayer" }) };
  const places = data.flatMap((trace) => {
    const clipped = `url(#${clip})`;
    if (trace.type === "bar") return drawBars(layers.bar, trace, x, y, clipped, stacked);
    if (trace.type === "heatmap") return drawHeatmap(layers.bar, trace, x, y);
    return drawScatter(layers.scatter, trace, x, y, clipped);
  });
  for (const { x: value, y: name, text, yshift = 0, xanchor = "center" } of layout.annotations ?? []) {
    const anchor = { left: "start", right: "end" }[xanchor] ?? "middle";
    add(
      svg,
      "text",
      { class: "annotation", x: x.position(value), y: y.position(name) - yshift, "text-anchor": anchor },
      text,
    );
  }
  if (key) drawKey(svg, map, right + 16, top);
  place.replaceChildren(...(layout.showlegend ? [chartLegend(data)] : []), svg);
  showOnHover(place, svg, places);
}

// The axes that fit the traces; adds the thickness of bars to their traces, in units of the axis.
function axesOf(data, layout) {
  const bars = data.filter((trace) => trace.type === "bar");
  const lying = bars.some((trace) => trace.orientation === "h");
  const totals = new Map();
  const reach = [];
  for (const trace of bars) {
    const [lengths, places] = lying ? [trace.x, trace.y] : [trace.y, trace.x];
    places.forEach((place, number) => totals.set(place, (totals.get(place) ?? 0) + lengths[number]));
    const numbers = places.every(Number.isFinite);
    const distances = numbers ? places.slice(1).map((place, number) => Math.abs(place - places[number])) : [];
    const each = Math.min(...distances, distances.length ? Infinity : 1);
    trace.thick = trace.width ?? each * (1 - (layout.bargap ?? 0.2));
    if (numbers) reach.push(...places.flatMap((place) => [place - each / 2, place + each / 2]));
  }
  const values = (name) =>
    data.flatMap((trace) => {
      const long = trace.type === "bar" && (name === "x") === lying;
      if (long) return [0, ...totals.values()];
      return trace.type === "bar" && reach.length ? reach : trace[name];
    });
  const marked = data.some((trace) => trace.type === "scatter" && (trace.mode ?? "").includes("markers"));
  return ["x", "y"].map((name) => {
    const spec = layout[`${name}axis`] ?? {};
    const zero = spec.rangemode === "tozero" || (bars.length > 0 && (name === "x") === lying);
    return new Axis(spec, values(name), { zero, padded: marked || (name === "y" && !bars.length) });
  });
}

// Gives the axes their pixels, with room for labels and titles. Says whether the labels of x are set at an angle.
function fit(x, y, layout, width, height) {
  const titleOf = (axis) => (axis.spec.title?.text ? LINE_PX + 4 : 0);
  const widest = (ticks) => Math.max(0, ...ticks.map((tick) => textWidth(tick.text)));
  const hidden = x.spec.visible === false;
  let rotated = x.spec.tickangle !== undefined;
  for (;;) {
    const room = rotated ? 0.87 * widest(x.ticks(10)) + 14 : LINE_PX + 4;
    const beside = titleOf(x) + (hidden || x.spec.showticklabels === false ? 6 : room);
    const [above, below] = x.spec.side === "top" ? [beside, 8] : [layout.annotations ? 24 : 12, beside];
    y.place(height - below, above);
    y.labels = y.ticks(Math.min(y.spec.nticks ?? 8, Math.max(2, Math.floor((height - above - below) / 28))));
    const left = titleOf(y) + Math.min(widest(y.labels), 0.5 * width) + 8;
    x.place(left, width - 22);
    if (hidden) x.labels = [];
    else {
      let count = x.spec.nticks ?? 10;
      do x.labels = x.ticks(count);
      while (!rotated && x.kind !== "category" && --count > 1 && overlap(x));
    }
    if (rotated || x.kind !== "category" || !overlap(x)) return rotated;
    rotated = true;
  }
}

function overlap(axis) {
  const places = axis.labels
    .map(({ value, text }) => [axis.position(value), textWidth(text)])
    .sort((one, other) => one[0] - other[0]);
  return places.some(
    ([at, wide], number) => number && at - places[number - 1][0] < (wide + places[number - 1][1]) / 2 + 8,
  );
}

function drawAxes(svg, x, y, box, { data, rotated, onTop }) {
  const barred = data.some((trace) => trace.type !== "scatter");
  const grid = add(svg, "g", { class: "grid" });
  const lines = (axis) => (axis.spec.showgrid === false || (axis.kind === "category" && barred) ? [] : axis.labels);
  for (const { value } of lines(x)) add(grid, "path", { d: `M${x.position(value)} ${box.y}v${box.height}` });
  for (const { value } of lines(y)) add(grid, "path", { d: `M${box.x} ${y.position(value)}h${box.width}` });
  const edge = onTop ? box.y : box.y + box.height;
  for (const { value, text } of x.labels) {
    const at = x.position(value);
    const label = add(svg, "g", { class: "xtick" });
    const turn = rotated
      ? { transform: `rotate(-60 ${at} ${edge + 12})`, "text-anchor": "end" }
      : { "text-anchor": "middle" };
    add(label, "text", { x: at, y: onTop ? edge - 12 : edge + (rotated ? 12 : 16), ...turn }, text);
  }
  for (const { value, text } of y.labels) {
    const label = add(svg, "g", { class: "ytick" });
    add(label, "text", { x: box.x - 8, y: y.position(value), "text-anchor": "end" }, text);
  }
  const [xtitle, ytitle] = [x, y].map((axis) => axis.spec.title?.text);
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const height = Number(svg.getAttribute("height"));
  if (xtitle)
    add(svg, "text", { class: "xtitle", x: middle.x, y: onTop ? 12 : height - 12, "text-anchor": "middle" }, xtitle);
  if (ytitle) {
    const turn = `rotate(-90 12 ${middle.y})`;
    add(svg, "text", { class: "ytitle", x: 12, y: middle.y, transform: turn, "text-anchor": "middle" }, ytitle);
  }
}

// Shares of the row that the colours of a heatmap stand for.
function drawKey(svg, trace, left, top) {
  const group = add(svg, "g", { class: `key series-${trace.meta % SERIES}` });
  [100, 50, 10, 0].forEach((share, number) => {
    const y = top + 8 + 22 * number;
    add(group, "rect", { class: "ground", x: left, y, width: 12, height: 22 });
    add(group, "rect", { class: "cell", x: left, y, width: 12, height: 22, "fill-opacity": share / 100 });
    add(group, "text", { x: left + 16, y: y + 11 }, `${share}%`);
  });
}

function chartLegend(data) {
  const list = document.createElement("ul");
  list.className = "legend";
  for (const trace of data) {
    const item = document.createElement("li");
    item.className = `series-${trace.meta % SERIES} lined`;
    const sample = document.createElementNS(SVG, "svg");
    sample.setAttribute("class", "sample");
    add(sample, "path", {
      class: "line",
      d: "M0 6H28",
      "stroke-width": 2,
      "stroke-dasharray": DASHES[trace.line?.dash] ?? "none",
    });
    item.append(sample, trace.name);
    list.append(item);
  }
  return list;
}
