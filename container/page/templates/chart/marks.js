// The marks of each kind of trace. They return the places that show a text when the pointer is near.

const SVG = "http://www.w3.org/2000/svg";

function add(parent, name, attributes = {}, text = undefined) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

const measure = document.createElement("canvas").getContext("2d");

function textWidth(text, size = 13) {
  measure.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  return measure.measureText(text).width;
}

// `%{y:.3f}` and the like, with the values of one mark, as lines of text.
function filled(template, values) {
  const text = template.replace(/<extra>.*<\/extra>/, "").replace(/%\{(\w+)(?::([^}]*))?\}/g, (_, name, form) => {
    const value = values[name];
    if (typeof value !== "number") return value ?? "";
    const [, comma, digits, kind] = form?.match(/^(,?)(?:\.(\d+)([fg]))?$/) ?? [];
    if (kind === "f") {
      const fraction = Number(digits);
      const options = { minimumFractionDigits: fraction, maximumFractionDigits: fraction, useGrouping: Boolean(comma) };
      return value.toLocaleString("en-US", options);
    }
    return shown(value, kind === "g" ? Number(digits) : 12);
  });
  return text.split("<br>").map((line) => line.trim());
}

const DASHES = { dash: "7 4", dot: "2 3" };

const SYMBOLS = {
  circle: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  square: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  diamond: (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  "triangle-up": (r) => `M0 ${-1.2 * r}L${1.15 * r} ${0.8 * r}H${-1.15 * r}Z`,
  cross: (r) =>
    `M${-r} ${-r / 3}H${-r / 3}V${-r}H${r / 3}V${-r / 3}H${r}V${r / 3}H${r / 3}V${r}H${-r / 3}V${r / 3}H${-r}Z`,
  x: (r) =>
    `M${-r} ${-r / 2}L${-r / 2} ${-r}L0 ${-r / 2}L${r / 2} ${-r}L${r} ${-r / 2}L${r / 2} 0L${r} ${r / 2}L${r / 2} ${r}L0 ${r / 2}L${-r / 2} ${r}L${-r} ${r / 2}L${-r / 2} 0Z`,
};

const at = (value, number) => (Array.isArray(value) ? value[number] : value);

function markerRadius(marker, number) {
  const size = at(marker.size ?? 6, number);
  const diameter = marker.sizemode === "area" ? Math.sqrt((2 * size) / marker.sizeref) : size;
  return Math.max(diameter / 2, marker.sizemin ?? 0);
}

// The names of points; one that would lie on another is omitted.
function drawNames(group, trace, places, x) {
  const [left, right] = [x.from, x.to].sort((one, other) => one - other);
  const taken = [];
  places.forEach(([at, y], number) => {
    const width = textWidth(trace.text[number]);
    const [anchor, start] =
      at - width / 2 < left ? ["start", at] : at + width / 2 > right ? ["end", at - width] : ["middle", at - width / 2];
    const hidden = taken.some(
      ([other, end, line]) => start < end + 4 && other < start + width + 4 && Math.abs(line - y) < 16,
    );
    if (hidden) return;
    taken.push([start, start + width, y]);
    add(group, "text", { class: "name", x: at, y: y - 12, "text-anchor": anchor }, trace.text[number]);
  });
}

function drawScatter(layer, trace, x, y, clip) {
  const group = add(layer, "g", { class: `trace scatter series-${trace.meta % SERIES}`, opacity: trace.opacity ?? 1 });
  const mode = trace.mode ?? "lines";
  const places = trace.x.map((value, number) => [x.position(value), y.position(trace.y[number])]);
  const drawn = (place) => place.every(Number.isFinite);
  if (mode.includes("lines")) {
    let path = "";
    let before = null;
    for (const place of places) {
      if (!drawn(place)) before = null;
      else {
        path +=
          before === null
            ? `M${place[0]} ${place[1]}`
            : trace.line?.shape === "hv"
              ? `H${place[0]}V${place[1]}`
              : `L${place[0]} ${place[1]}`;
        before = place;
      }
    }
    const { width = 2, dash } = trace.line ?? {};
    add(group, "path", {
      class: "line",
      d: path,
      "stroke-width": width,
      "stroke-dasharray": DASHES[dash] ?? "none",
      "clip-path": clip,
    });
  }
  (trace.error_y?.array ?? []).forEach((error, number) => {
    const [low, high] = [-error, error].map((by) => y.position(trace.y[number] + by));
    add(group, "path", { class: "error", d: `M${places[number][0]} ${low}V${high}`, "clip-path": clip });
  });
  if (mode.includes("markers")) {
    const points = add(group, "g", { class: "points", opacity: trace.marker?.opacity ?? 1 });
    places.forEach((place, number) => {
      if (!drawn(place)) return;
      const shape = SYMBOLS[trace.marker?.symbol ?? "circle"](markerRadius(trace.marker ?? {}, number));
      add(points, "path", { class: "point", d: shape, transform: `translate(${place[0]} ${place[1]})` });
    });
  }
  if (mode.includes("text")) drawNames(group, trace, places, x);
  return places.flatMap((place, number) => {
    const values = {
      x: trace.x[number],
      y: trace.y[number],
      text: at(trace.text, number),
      customdata: at(trace.customdata, number),
    };
    return drawn(place) ? [{ x: place[0], y: place[1], trace, values }] : [];
  });
}

// `stacked` is where the next bar of each place begins.
function drawBars(layer, trace, x, y, clip, stacked) {
  const lying = trace.orientation === "h";
  const [along, across] = lying ? [x, y] : [y, x];
  const [lengths, places] = lying ? [trace.x, trace.y] : [trace.y, trace.x];
  const group = add(layer, "g", { class: `trace bars series-${trace.meta % SERIES}` });
  const thick = trace.thick * across.unit;
  return places.map((place, number) => {
    const start = stacked.get(place) ?? 0;
    stacked.set(place, start + lengths[number]);
    const [from, to] = [start, start + lengths[number]].map((value) => along.position(value));
    const middle = across.position(place);
    const box = lying
      ? { x: Math.min(from, to), y: middle - thick / 2, width: Math.abs(to - from), height: thick }
      : { x: middle - thick / 2, y: Math.min(from, to), width: thick, height: Math.abs(to - from) };
    const point = add(group, "g", { class: "point" });
    add(point, "path", { d: `M${box.x} ${box.y}h${box.width}v${box.height}h${-box.width}Z`, "clip-path": clip });
    const text = at(trace.text, number);
    if (text) drawBarText(point, text, trace.textposition ?? "auto", box);
    return {
      box,
      trace,
      values: { x: trace.x[number], y: trace.y[number], text, customdata: at(trace.customdata, number) },
    };
  });
}

// Within the bar where there is room, otherwise beside it, or nowhere if it is to be inside.
function drawBarText(parent, text, position, box) {
  const size = Math.min(13, box.height - 2);
  const inside = textWidth(text, size) + 8 <= box.width;
  if (size < 9 || (!inside && position === "inside")) return;
  const y = box.y + box.height / 2;
  const middle = position === "inside";
  const place = !inside ? box.x + box.width + 4 : middle ? box.x + box.width / 2 : box.x + box.width - 5;
  const anchor = !inside ? "start" : middle ? "middle" : "end";
  const attributes = {
    class: `bartext ${inside ? "inside" : "outside"}`,
    x: place,
    y,
    "text-anchor": anchor,
    "font-size": size,
  };
  add(parent, "text", attributes, text);
}

// A square for each cell that is not empty, [row, column, count, % of the row]: the larger the share, the stronger.
function drawHeatmap(layer, trace, x, y) {
  const group = add(layer, "g", { class: `trace heatmaplayer series-${trace.meta % SERIES}` });
  const [ends, sides] = [
    [x.from, y.from],
    [x.to, y.to],
  ];
  const frame = { x: Math.min(ends[0], sides[0]), y: Math.min(ends[1], sides[1]) };
  add(group, "rect", { class: "ground", ...frame, width: Math.abs(x.to - x.from), height: Math.abs(y.to - y.from) });
  const gap = x.unit > 8 ? 1 : 0;
  return trace.cells.map(([row, column, count, share]) => {
    const box = {
      x: x.position(column) - x.unit / 2 + gap / 2,
      y: y.position(row) - y.unit / 2 + gap / 2,
      width: Math.max(x.unit - gap, 1),
      height: Math.max(y.unit - gap, 1),
    };
    add(group, "rect", { class: "cell", ...box, "fill-opacity": Math.max(0.04, share / 100) });
    if (trace.counts) {
      const place = { x: box.x + box.width / 2, y: box.y + box.height / 2, "text-anchor": "middle" };
      const strength = share > 80 ? "strong" : share > 55 ? "middling" : "weak";
      add(group, "text", { class: `count ${strength}`, ...place }, count.toLocaleString("en-US"));
    }
    return { box, trace, values: { x: trace.x[column], y: trace.y[row], z: share, text: count } };
  });
}
