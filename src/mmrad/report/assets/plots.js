/* The plots of the runs; all follow the scope and the IoU that are chosen above the leaderboard. */

const whole = (value) => String(Math.round(value * 100));
const percentAxis = { low: 0, high: 1 };
const ends = (figure) => figure.slice(0, 3);
const scopeName = () => state.scope || "all categories";

function figurePoints(xOf, yOf) {
  return facts.runs.map((run, number) => {
    const group = groupOf(run);
    return group && { run: number, name: run.name, x: xOf(run, group), y: yOf(run, group) };
  }).filter((point) => point && point.x[0] !== null && point.y[0] !== null);
}

function drawPlots() {
  drawTradeOff();
  drawSources();
  drawCosts();
  drawSweeps();
}

function put(id, chart, empty) {
  byId(id).replaceChildren(chart ?? element("p", { class: "absent" }, empty));
}

function drawTradeOff() {
  const figure = local("accuracy");
  const points = figurePoints((_, group) => ends(group.figures.accuracy), (_, group) => ends(group.figures[figure]));
  const published = state.published === "1" ? facts.published.filter((row) => row.source === state.scope) : [];
  for (const row of published) {
    if (row.figures[figure] == null) continue;
    points.push({ run: null, name: `${row.model}, published`, x: [row.figures.accuracy], y: [row.figures[figure]] });
  }
  const options = {
    x: percentAxis, y: percentAxis, xFormat: whole, yFormat: whole,
    xTitle: "Detection accuracy, %", yTitle: `Localization accuracy at IoU ≥ ${state.iou}, %`,
  };
  put("plot-trade-off", points.length ? scatter(`Detection against localization, ${scopeName()}`, points, options) : null, "No run has both figures here.");
}

function drawCosts() {
  const priced = facts.runs.some((run) => run.cost.dollars !== null);
  const key = priced ? "dollars" : "seconds";
  const points = figurePoints((run) => [run.cost[key]], (_, group) => ends(group.figures.accuracy));
  const left = facts.runs.filter((run) => run.cost[key] === null).map((run) => run.name);
  const money = (value) => (value < 0.01 ? value.toPrecision(1) : value < 1 ? value.toFixed(2) : String(Number(value.toFixed(1))));
  const options = {
    x: { log: true }, y: percentAxis, xFormat: money, yFormat: whole, yTitle: "Detection accuracy, %",
    xTitle: priced ? "Dollars for 1000 queries, logarithmic" : "Median seconds of an answer, logarithmic",
  };
  put("plot-cost", points.length ? scatter(`Cost against accuracy, ${scopeName()}`, points, options) : null, "Neither prices nor times are known.");
  byId("plot-cost-note").textContent = left.length ? `${priced ? "Price" : "Time"} unknown, so not drawn: ${left.join(", ")}.` : "";
}

/* One row a source; each run a mark with its interval, the published rows ticks behind them. */
function drawSources() {
  const name = state.metric;
  const kind = (run) => (ranking(name) && run.kind ? ` (${kindOf(run)})` : "");
  byId("plots-key").replaceChildren(...facts.runs.map((run, number) => element("li", {}, swatch(number), run.name + kind(run))));
  const rows = facts.sources;
  const step = Math.max(30, 13 * facts.runs.length + 12);
  const size = { width: 1120, height: rows.length * step + 52, left: 150, right: 18, top: 8, bottom: 44 };
  const chart = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, class: "chart wide", role: "img", "aria-label": `${facts.figures[name]} by source` });
  const own = facts.runs.flatMap((run) => run.sources.flatMap((group) => ends(group.figures[name])));
  const published = state.published === "1" ? facts.published.map((row) => row.figures[name]) : [];
  const values = [...own, ...published].filter((value) => value !== null && value !== undefined);
  if (!values.length) { put("plot-sources", null, "No run has this figure."); return; }
  const x = axisOf(values, { from: size.left, to: size.width - size.right, low: 0, high: 1, pad: 0.04, count: 9 });
  frame(chart, { x, y: { ticks: [] }, xTitle: `${facts.figures[name]}, %`, yTitle: "", xFormat: whole, size });
  rows.forEach((source, row) => {
    const top = size.top + row * step;
    if (row) chart.append(svg("line", { x1: 0, x2: size.width - size.right, y1: top, y2: top, class: "grid" }));
    chart.append(text(size.left - 12, top + step / 2 + 4, source.length > 20 ? `${source.slice(0, 19)}…` : source, { class: "row-name", "text-anchor": "end" }));
    sourcePublished(chart, source, name, x, top, step);
    facts.runs.forEach((run, number) => {
      const figure = run.sources.find((group) => group.source === source)?.figures[name];
      if (!figure || figure[0] === null) return;
      const y = top + (step * (number + 1)) / (facts.runs.length + 1);
      chart.append(sourceMark(run, number, figure, x, y));
    });
  });
  put("plot-sources", chart);
}

function sourceMark(run, number, [value, low, high], x, y) {
  const group = svg("g", { class: "of-run" });
  const hint = svg("title");
  hint.textContent = `${run.name}: ${percent(value)}${low === null ? "" : ` (${percent(low)} to ${percent(high)})`}`;
  group.append(hint);
  if (low !== null) group.append(svg("line", { x1: x.place(low), x2: x.place(high), y1: y, y2: y, class: `whisker run-${look(number) % 8}` }));
  group.append(marker(look(number), x.place(value), y, 5));
  return group;
}

function sourcePublished(chart, source, name, x, top, step) {
  if (state.published !== "1") return;
  for (const row of facts.published) {
    if (row.source !== source || row.figures[name] == null) continue;
    const at = x.place(row.figures[name]);
    const tick = svg("line", { x1: at, x2: at, y1: top + step * 0.22, y2: top + step * 0.78, class: "published-tick" });
    const hint = svg("title");
    hint.textContent = `${row.model}, published: ${percent(row.figures[name])}`;
    tick.append(hint);
    chart.append(tick);
  }
}

/* ---- experts at all thresholds ---- */

function drawSweeps() {
  const drawn = facts.runs.map((run, number) => ({ run, number })).filter(({ run }) => run.oracle && groupOf(run));
  byId("sweeps").hidden = !drawn.length;
  byId("plot-sweeps").replaceChildren(...drawn.map(({ run, number }) => sweepOf(run, number)));
}

const meanOf = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
};

/* Means over the categories of the scope, as if all had one threshold; what was taken is a threshold for each. */
function sweepOf(run, number) {
  const categories = run.sweep.filter((one) => !state.scope || one.source === state.scope);
  const size = { width: 360, height: 250, left: 46, right: 10, top: 10, bottom: 44 };
  const chart = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, class: "chart", role: "img", "aria-label": `${run.name} at all thresholds` });
  const [x, y] = [{ from: size.left, to: size.width - size.right }, { from: size.height - size.bottom, to: size.top }]
    .map((side) => ({ ...axisOf([0, 1], { ...side, low: 0, high: 1 }), ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] }));
  frame(chart, { x, y, xTitle: "Threshold", yTitle: "Accuracy, %", xFormat: (value) => String(value), yFormat: whole, size });
  const told = ["detection", "localization"].map((kind, which) => {
    const means = categories[0][kind].map((_, step) => meanOf(categories.map((one) => one[kind][step])));
    const points = means.map((mean, step) => (mean === null ? null : [x.place(step / 10), y.place(mean), step, mean])).filter(Boolean);
    chart.append(svg("polyline", { points: points.map(([px, py]) => `${px},${py}`).join(" "), class: `line-of run-${look(number) % 8} ${kind}` }));
    for (const [px, py, step, mean] of points) {
      const dot = svg("circle", { cx: px, cy: py, r: 3.5, class: `mark run-${look(number) % 8}` });
      const hint = svg("title");
      hint.textContent = `${kind} ${percent(mean)} at ${step / 10}`;
      dot.append(hint);
      chart.append(dot);
    }
    const taken = categories.map((one) => one.taken[which] / 10);
    const best = meanOf(categories.map((one) => one[kind][one.taken[which]]));
    const range = Math.min(...taken) === Math.max(...taken) ? taken[0] : `${Math.min(...taken)} to ${Math.max(...taken)}`;
    return `${kind} ${best === null ? "–" : percent(best)} at ${range}`;
  });
  return element("figure", {}, chart, element("figcaption", {}, element("b", {}, run.title ?? run.name),
    fine(`Each category at its best: ${told.join(", ")}`)));
}

/* ---- reliability: how often what is scored 0.8 is anomalous ---- */

function drawReliability() {
  const drawn = facts.runs.map((run, number) => ({ run, number })).filter(({ run }) => run.calibration.bins.length);
  byId("reliability").hidden = !drawn.length;
  byId("plot-reliability").replaceChildren(...drawn.map(({ run, number }) => reliability(run, number)));
}

function reliability(run, number) {
  const size = { width: 270, height: 262, left: 40, right: 10, top: 8, bottom: 44 };
  const { ece, brier, bins, kind, queries, unscored } = run.calibration;
  const chart = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, class: "chart", role: "img", "aria-label": `Reliability of ${run.name}` });
  const [x, y] = [{ from: size.left, to: size.width - size.right }, { from: size.height - size.bottom, to: size.top }]
    .map((side) => ({ ...axisOf([0, 1], { ...side, low: 0, high: 1 }), ticks: [0, 0.25, 0.5, 0.75, 1] }));
  frame(chart, { x, y, xTitle: "Score", yTitle: "Anomalous, %", xFormat: (value) => String(value), yFormat: whole, size });
  chart.append(svg("line", { x1: x.place(0), y1: y.place(0), x2: x.place(1), y2: y.place(1), class: "diagonal" }));
  const most = Math.max(...bins.map((bin) => bin.queries));
  const points = bins.map((bin) => `${x.place(bin.mean_score)},${y.place(bin.anomalous)}`).join(" ");
  chart.append(svg("polyline", { points, class: `line-of run-${look(number) % 8}` }));
  for (const bin of bins) {
    const dot = svg("circle", { cx: x.place(bin.mean_score), cy: y.place(bin.anomalous), r: 2.5 + 3.5 * Math.sqrt(bin.queries / most), class: `mark run-${look(number) % 8}` });
    const hint = svg("title");
    hint.textContent = `${bin.queries} queries scored ${bin.low.toFixed(2)} to ${bin.high.toFixed(2)}: ${percent(bin.anomalous)} % anomalous`;
    dot.append(hint);
    chart.append(dot);
  }
  return element("figure", {}, chart, element("figcaption", {}, element("b", {}, run.name),
    fine(`${facts.kinds[kind] ?? kind} · ECE ${ece.toFixed(3)} · Brier ${brier.toFixed(3)}`),
    fine(unscored ? `${queries} queries; ${unscored} without a score left out` : plural(queries, "query", "queries"))));
}
