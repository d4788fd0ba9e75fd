// The text of the mark that the pointer is on, or nearest to. The chart's place also hears of it: an event `mark`, whose
// detail is the mark's values and the pointer's place, or null.

const NEAR_PX = 40;

function showOnHover(place, svg, marks) {
  const tell = (detail) => place.dispatchEvent(new CustomEvent("mark", { detail }));
  const hide = () => place.querySelector(".hover")?.remove();
  svg.addEventListener("pointerleave", () => (hide(), tell(null)));
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const mark = nearest(marks, x, y);
    hide();
    tell(mark ? { values: mark.values, x: event.clientX, y: event.clientY } : null);
    if (!mark?.trace.hovertemplate) return;
    const label = document.createElement("div");
    label.className = `hover series-${mark.trace.meta % SERIES}`;
    for (const line of filled(mark.trace.hovertemplate, mark.values)) {
      label.append(line, document.createElement("br"));
    }
    place.append(label);
    const outer = place.getBoundingClientRect();
    const [left, top] = [event.clientX - outer.left, event.clientY - outer.top];
    label.style.left = `${Math.max(0, Math.min(left + 12, place.clientWidth - label.offsetWidth))}px`;
    label.style.top = `${Math.max(0, top > label.offsetHeight + 12 ? top - label.offsetHeight - 12 : top + 16)}px`;
  });
}

function nearest(marks, x, y) {
  const within = ({ box }) => box && x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
  let [found, least] = [undefined, NEAR_PX];
  for (const mark of marks) {
    const distance = mark.box ? (within(mark) ? NEAR_PX / 2 : Infinity) : Math.hypot(mark.x - x, mark.y - y);
    if (distance < least) [found, least] = [mark, distance];
  }
  return found;
}
