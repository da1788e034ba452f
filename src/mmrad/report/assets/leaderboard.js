/* The leaderboard: own runs, means of repeats, and the paper's published rows. */

const groupOf = (run) => (state.scope ? run.sources.find((group) => group.source === state.scope) : run.overall);
const local = (figure, iou = state.iou) => `iou${iou}_${figure}`;

/* How the runs were asked; a column only where they differ. */
const ASKED = [
  ["references", "References", (run) => String(run.references)],
  ["knowledge", "Knowledge", (run) => (isExpert(run) ? "–" : run.knowledge ? "yes" : "no")],
  ["helper", "Expert", (run) => run.helper ?? "–"],
  ["reasoning", "Reasoning", (run) => (run.reasoning === null ? "–" : run.reasoning ? "yes" : "no")],
].filter(([name]) => new Set(facts.runs.map((run) => run[name])).size > 1);

function leaderColumns() {
  const columns = [
    ["Detection", "accuracy", "Accuracy"], ["Detection", "recall", "Recall"], ["Detection", "precision", "Precision"],
    ...facts.thresholds.map((iou) => ["Localization accuracy", local("accuracy", iou), `IoU ≥ ${iou}`]),
    [`Localization, IoU ≥ ${state.iou}`, local("recall"), "Recall"],
    [`Localization, IoU ≥ ${state.iou}`, local("precision"), "Precision"],
    ["Ranking", "auroc", "AUROC"],
    ["Pixels", "pixel_auroc", "AUROC"], ["Pixels", "aupro", "AUPRO"],
  ];
  const shown = (name) => facts.runs.some((run) => run.overall?.figures[name]?.[0] != null);
  return columns.filter(([over, name]) => !["Ranking", "Pixels"].includes(over) || shown(name));
}

/* Rows in the order of the variants: `{ run | repeats | published, name, figures }`. Those out of competition
   come last: experts under the paper's thresholds, each before the published row of the same detector. */
function leaderRows() {
  const rows = [];
  for (const variant of variants) {
    const runs = facts.runs.map((run, number) => ({ run, number })).filter(({ run }) => run.variant === variant);
    const repeats = facts.repeats[variant];
    if (repeats && state.each === "0") rows.push({ repeats, run: runs[0].run, number: runs[0].number, name: variant });
    else for (const one of runs) rows.push({ ...one, name: one.run.name });
  }
  const shown = state.published === "1" ? facts.published.filter((row) => row.source === state.scope) : [];
  const published = shown.map((row) => ({ published: row, name: row.model }));
  const experts = published.filter((row) => row.published.group === "expert_full_shot");
  const outside = [];
  for (const row of rows.filter(({ run }) => run.oracle)) {
    const same = experts.findIndex((one) => one.name === row.run.published);
    outside.push(row, ...(same < 0 ? [] : experts.splice(same, 1)));
  }
  const competing = published.filter((row) => row.published.group !== "expert_full_shot");
  return [...rows.filter(({ run }) => !run.oracle), ...competing, ...outside, ...experts];
}

function drawLeaderboard() {
  const table = byId("leaderboard-table");
  const columns = leaderColumns();
  const priced = facts.runs.some((run) => run.cost.dollars !== null);
  const tail = [...(priced ? [["dollars", "$ per 1000"]] : []), ["seconds", "Seconds"]];
  keepSorting(table, () => {
    table.replaceChildren(leaderHead(columns, tail), element("tbody", {}, ...leaderRows().map((row) => leaderRow(row, columns, tail))));
  });
  markBest(table, columns, tail);
}

function leaderHead(columns, tail) {
  const spans = new Map();
  for (const [over] of columns) spans.set(over, (spans.get(over) ?? 0) + 1);
  const over = (title, span) => element("th", { colspan: span, scope: "colgroup" }, title);
  const titles = {
    unanswered: "Queries without a judgement: wrong in accuracy, missed in recall",
    dollars: "US dollars for 1000 answers, at the price the catalogue or the run states",
    seconds: "Median seconds of an answer",
  };
  const small = (key, title) => {
    const head = heading(key, title);
    if (titles[key]) head.firstChild.title = titles[key];
    return head;
  };
  return element("thead", {},
    element("tr", { class: "over" }, element("td"),
      ASKED.length ? over("Asked", ASKED.length) : null,
      ...[...spans].map(([title, span]) => over(title, span)), over("Answers", tail.length + 1)),
    element("tr", {}, heading("name", "Inspector"), ...ASKED.map(([key, title]) => small(key, title)),
      ...columns.map(([, key, title]) => heading(key, title)),
      small("unanswered", "None given"), ...tail.map(([key, title]) => small(key, title))));
}

function leaderRow(row, columns, tail) {
  if (row.published) return publishedRow(row, columns, tail);
  const { run, number, repeats } = row;
  const group = groupOf(run);
  const figures = repeats ? (state.scope ? repeats.sources[state.scope] : repeats.overall) : group?.figures;
  const name = element("th", { scope: "row", "data-value": row.name }, swatch(number), run.title && !repeats && run.title !== row.name ? run.title : row.name);
  if (run.title && !repeats && run.title !== row.name) name.append(fine(row.name));
  if (repeats && isExpert(run)) name.append(fine(`threshold: ${run.threshold}`));
  if (repeats) name.append(fine(`mean of ${repeats.count} repeats ± their spread`));
  name.append(fine(group ? plural(group.samples, "query", "queries") : "no query here"));
  if (run.asked < run.of) name.append(element("span", { class: "tag" }, `${run.asked} of ${run.of} answered so far`));
  const marks = [run.asked < run.of && "partial", run.oracle && "oracle"].filter(Boolean).join(" ");
  return element("tr", { class: marks || null }, name,
    ...ASKED.map(([, , value]) => element("td", { "data-value": value(run) }, value(run))),
    ...columns.map(([, key]) => (repeats ? spreadCell(figures?.[key], ranking(key) ? kindOf(run) : null) : figureCell(figures?.[key], group?.categories, true, ranking(key) ? kindOf(run) : null))),
    unansweredCell(group), ...tail.map(([key]) => costCell(run, key)));
}

function spreadCell(spread, kind) {
  if (!spread || spread[0] === null) return figureCell(null);
  const [mean, deviation] = spread;
  return element("td", { "data-value": mean }, element("span", { class: "number" }, percent(mean)),
    deviation === null ? null : fine(`± ${percent(deviation)}`), kind ? fine(kind) : null);
}

function unansweredCell(group) {
  if (!group) return figureCell(null);
  const kinds = Object.entries(group.unanswered);
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const told = kinds.map(([kind, count]) => `${count} ${statusName(kind)}`).join(", ");
  return element("td", { "data-value": total, title: told || null }, element("span", { class: "number" }, String(total)),
    total ? fine(`${percent(total / group.samples)} %`) : null, hidden(told));
}

function costCell(run, key) {
  const value = key === "dollars" ? run.cost.dollars : run.cost.seconds;
  if (value === null) return element("td", { class: "undefined", "data-value": "", title: "not known" }, "unknown");
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  const cell = element("td", { "data-value": value }, element("span", { class: "number" }, value.toFixed(digits)));
  if (key === "dollars" && run.cost.unpriced) cell.append(fine(`${run.cost.unpriced} without tokens`));
  return cell;
}

function publishedRow({ published, name }, columns, tail) {
  const blank = (text = "–") => element("td", { class: "undefined", "data-value": "", title: "not published" }, text);
  return element("tr", { class: "published" },
    element("th", { scope: "row", "data-value": name }, name,
      fine(element("span", { class: "tag" }, "published"), ` ${statusName(published.group)}`)),
    ...ASKED.map(() => element("td", { "data-value": "" }, "")),
    ...columns.map(([, key]) => (key in published.figures && published.figures[key] !== null
      ? element("td", { "data-value": published.figures[key] }, element("span", { class: "number" }, percent(published.figures[key]))) : blank())),
    blank(), ...tail.map(() => blank()));
}

/* The best of one's own complete runs in each column. */
function markBest(table, columns, tail) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.matches(".published, .partial, .oracle"));
  if (rows.length < 2) return;
  const first = 1 + ASKED.length;
  const oneKind = new Set(facts.runs.map((run) => run.kind)).size === 1;
  const kinds = [...columns.map(([, key]) => (ranking(key) && !oneKind ? null : "max")), "min", ...tail.map(() => "min")];
  kinds.forEach((kind, index) => {
    if (!kind) return;
    const cells = rows.map((row) => row.cells[first + index]).filter((cell) => cell.dataset.value !== "");
    const values = cells.map((cell) => Number(cell.dataset.value));
    if (new Set(values).size < 2) return;
    const best = Math[kind](...values);
    cells.forEach((cell, i) => { if (values[i] === best) cell.classList.add("best"); });
  });
}

/* ---- tables to take away: the texts lie in the page ---- */

function listenToDownloads() {
  for (const button of document.querySelectorAll("button[data-download]")) {
    button.addEventListener("click", () => {
      const [name, type] = button.dataset.download.split("|");
      const url = URL.createObjectURL(new Blob([facts.downloads[name]], { type }));
      const link = element("a", { href: url, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
  }
}
