// Axes: from values to pixels, and the ticks that label them.

// The largest of 1, 2, 5, 10, … that divides a span into at least `count` parts, or a little fewer.
function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
}

function linearTicks(low, high, count, step = niceStep(high - low, count), start = 0) {
  const first = Math.ceil((low - start) / step - 1e-9);
  const last = Math.floor((high - start) / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, number) =>
    Number((start + (first + number) * step).toPrecision(12)),
  );
}

// 1, 2 and 5 of each decade, or whole decades where there are many; within one decade, as on a linear axis.
function logTicks(low, high, count) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const ticks = (factors, every) => {
    const found = [];
    for (let decade = Math.ceil(first / every) * every; decade <= last; decade += every) {
      found.push(...factors.map((factor) => Number(`${factor}e${decade}`)));
    }
    return found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  };
  const fine = ticks([1, 2, 5], 1);
  if (fine.length < 3) return linearTicks(low, high, count).filter((value) => value > 0);
  if (fine.length <= count) return fine;
  for (let every = 1; ; every += 1) {
    const coarse = ticks([1], every);
    if (coarse.length <= Math.max(2, count)) return coarse;
  }
}

// A number as a reader writes it: 0.05, 20,000, 3M, 2e-5.
function shown(value, digits = 6) {
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e15)) return Number(value.toPrecision(digits)).toExponential().replace("+", "");
  const notation = size >= 1e6 ? "compact" : "standard";
  return value.toLocaleString("en-US", { maximumSignificantDigits: digits, notation });
}

class Axis {
  // `values` are the traces', on this axis; `zero` has it begin there; `padded` leaves room beside the outer values.
  constructor(spec, values, { zero, padded }) {
    this.spec = spec;
    this.kind = spec.type ?? (values.some((value) => typeof value === "string") ? "category" : "linear");
    if (this.kind === "category") {
      this.names = [...new Set([...(spec.categoryarray ?? spec.tickvals ?? []), ...values].map(String))];
      [this.low, this.high] = [-0.5, this.names.length - 0.5];
    } else {
      this.#fit(
        values.filter((value) => Number.isFinite(value) && (this.kind !== "log" || value > 0)),
        zero,
        padded,
      );
    }
    this.reversed = spec.autorange === "reversed";
    if (spec.range) {
      [this.low, this.high] = spec.range;
      if (this.low > this.high) [this.low, this.high, this.reversed] = [this.high, this.low, !this.reversed];
    }
  }

  #fit(values, zero, padded) {
    const log = this.kind === "log";
    const ends = values.reduce(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Infinity, -Infinity],
    );
    if (ends[0] === Infinity) ends.splice(0, 2, log ? 1 : 0, log ? 10 : 1);
    if (zero && !log) ends.splice(0, 2, Math.min(0, ends[0]), Math.max(0, ends[1]));
    let [low, high] = log ? ends.map(Math.log10) : ends;
    if (low === high) [low, high] = log ? [low - 0.5, high + 0.5] : [low - (zero && low === 0 ? 0 : 1), high + 1];
    const room = 0.05 * (high - low);
    if (padded && !(zero && ends[0] === 0)) low -= room;
    if (padded || (zero && ends[1] !== 0)) high += room;
    [this.low, this.high] = log ? [10 ** low, 10 ** high] : [low, high];
  }

  place(from, to) {
    [this.from, this.to] = this.reversed ? [to, from] : [from, to];
  }

  position(value) {
    const at = this.kind === "category" && typeof value !== "number" ? this.names.indexOf(String(value)) : (value ?? NaN);
    const [low, high, here] =
      this.kind === "log" ? [this.low, this.high, at].map(Math.log10) : [this.low, this.high, at];
    return this.from + ((here - low) / (high - low)) * (this.to - this.from);
  }

  // Pixels of one category, or of one unit.
  get unit() {
    return Math.abs((this.to - this.from) / (this.high - this.low));
  }

  // At most `count` ticks, each with its label; categories all have one.
  ticks(count) {
    const { tickvals, ticktext, dtick, tick0, tickformat, showticklabels } = this.spec;
    if (showticklabels === false) return [];
    if (this.kind === "category") {
      const text = new Map((tickvals ?? []).map((value, number) => [String(value), ticktext[number]]));
      return this.names.map((name) => ({ value: name, text: text.get(name) ?? name }));
    }
    if (tickvals) return tickvals.map((value, number) => ({ value, text: String(ticktext[number]) }));
    if (this.kind === "log")
      return logTicks(this.low, this.high, count).map((value) => ({ value, text: shown(value) }));
    let step = dtick ?? niceStep(this.high - this.low, count);
    if (tickformat === "d") step = Math.max(1, step);
    while ((this.high - this.low) / step > count + 1) step *= 2;
    return linearTicks(this.low, this.high, count, step, tick0).map((value) => ({ value, text: shown(value) }));
  }
}
