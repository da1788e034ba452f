/* Charts as SVG: axes, points with intervals, and names that keep out of each other's way. */

const CHART = { width: 560, height: 380, left: 46, right: 18, top: 14, bottom: 44 };

function niceTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const ticks = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) ticks.push(Number(value.toPrecision(10)));
  return ticks;
}

/* From values to pixels along one side; `log` spaces factors evenly. */
function axisOf(values, { from, to, log = false, low, high, pad = 0.08, count = 5 }) {
  const turn = log ? Math.log10 : (value) => value;
  const back = log ? (value) => 10 ** value : (value) => value;
  let [least, most] = [Math.min(...values.map(turn)), Math.max(...values.map(turn))];
  const room = Math.max((most - least) * pad, log ? 0.15 : 0.02);
  least = low === undefined ? least - room : Math.max(low, least - room);
  most = high === undefined ? most + room : Math.min(high, most + room);
  const place = (value) => from + ((turn(value) - least) / (most - least)) * (to - from);
  const ticks = log ? logTicks(back(least), back(most)) : niceTicks(least, most, count);
  return { place, ticks };
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const digit of [1, 2, 5]) {
      const value = Number((digit * 10 ** power).toPrecision(3));
      if (value >= low && value <= high) ticks.push(value);
    }
  }
  return ticks.length ? ticks : [Number(low.toPrecision(2)), Number(high.toPrecision(2))];
}

function text(x, y, content, attributes = {}) {
  const made = svg("text", { x, y, ...attributes });
  made.textContent = content;
  return made;
}

function frame(chart, { x, y, xTitle, yTitle, xFormat, yFormat, size = CHART }) {
  const { width, height, left, right, top, bottom } = size;
  for (const tick of x.ticks) {
    const at = x.place(tick);
    chart.append(svg("line", { x1: at, x2: at, y1: top, y2: height - bottom, class: "grid" }),
      text(at, height - bottom + 16, xFormat(tick), { class: "tick", "text-anchor": "middle" }));
  }
  for (const tick of y.ticks) {
    const at = y.place(tick);
    chart.append(svg("line", { x1: left, x2: width - right, y1: at, y2: at, class: "grid" }),
      text(left - 7, at + 4, yFormat(tick), { class: "tick", "text-anchor": "end" }));
  }
  chart.append(text((left + width - right) / 2, height - 6, xTitle, { class: "axis-title", "text-anchor": "middle" }),
    text(-(top + height - bottom) / 2, 12, yTitle, { class: "axis-title", "text-anchor": "middle", transform: "rotate(-90)" }));
}

/* Moves names up or down until none covers another; each is `{ x, y, width }` and keeps its x. */
function spread(labels, gap = 14) {
  const placed = [];
  for (const label of [...labels].sort((a, b) => a.y - b.y)) {
    const clash = () => placed.find((other) => Math.abs(other.y - label.y) < gap && label.x < other.x + other.width && other.x < label.x + label.width);
    for (let other = clash(), guard = 0; other && guard < 60; other = clash(), guard += 1) label.y = other.y + gap;
    placed.push(label);
  }
}

/* Points `{ run | null, name, x: [value, low, high], y: [...] }` on two axes. */
function scatter(title, points, options) {
  const { width, height, left, right, top, bottom } = CHART;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": title });
  const values = (axis) => points.flatMap((point) => point[axis].filter((value) => value !== null && value !== undefined));
  const x = axisOf(values("x"), { from: left, to: width - right, ...options.x });
  const y = axisOf(values("y"), { from: height - bottom, to: top, ...options.y });
  frame(chart, { ...options, x, y });
  for (const point of points) chart.append(mark(point, x, y, options));
  const labels = points.filter((point) => point.run !== null).map((point) => {
    const wide = point.name.length * 6.4;
    const right_ = x.place(point.x[0]) + 9;
    const flip = right_ + wide > width;
    return { point, x: flip ? Math.max(right_ - 18 - wide, 0) : right_, y: y.place(point.y[0]) - 6, width: wide };
  });
  spread(labels);
  for (const label of labels) chart.append(text(label.x, label.y, label.point.name, { class: "point-name" }));
  return chart;
}

function mark(point, x, y, { xFormat, yFormat }) {
  const [px, py] = [x.place(point.x[0]), y.place(point.y[0])];
  const group = svg("g", { class: point.run === null ? "of-published" : "of-run" });
  const hint = svg("title");
  hint.textContent = `${point.name}: ${xFormat(point.x[0])}, ${yFormat(point.y[0])}`;
  group.append(hint);
  if (point.run === null) {
    group.append(svg("circle", { cx: px, cy: py, r: 3.5, class: "published-mark" }));
    return group;
  }
  const number = look(point.run);
  const whisker = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2, class: `whisker run-${number % 8}` });
  if (point.x[1] !== null && point.x[1] !== undefined) group.append(whisker(x.place(point.x[1]), py, x.place(point.x[2]), py));
  if (point.y[1] !== null && point.y[1] !== undefined) group.append(whisker(px, y.place(point.y[1]), px, y.place(point.y[2])));
  group.append(marker(number, px, py, 6));
  return group;
}
