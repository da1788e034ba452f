/* The tables: sorting, the best of each column, and the breakdown with its plot. Follows report.js in one script. */

function sortBy(table, column, header) {
  const names = Number.isNaN(Number(table.tBodies[0].rows[0].cells[column].dataset.value));
  const before = header.getAttribute("aria-sort");
  const descending = before ? before !== "descending" : !names;
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const value = (row) => row.cells[column].dataset.value;
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return names ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
  });
  table.tBodies[0].append(...(descending ? rows.reverse() : rows));
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(table, column, header));
  });
}

function markBest(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 2) return;
  [...table.tHead.rows[1].cells].forEach((header, column) => {
    const values = rows.map((row) => Number(row.cells[column].dataset.value)).filter((value) => value >= 0);
    if (!header.dataset.best || !values.length) return;
    const best = Math[header.dataset.best](...values);
    for (const row of rows) {
      if (Number(row.cells[column].dataset.value) === best) row.cells[column].classList.add("best");
    }
  });
}

function dots(figures) {
  const strip = element("div", { class: "dots", "aria-hidden": "true" });
  figures.forEach((figure, run) => {
    if (!figure || figure[0] === null) return;
    const [value, low, high] = figure;
    const top = `${((run + 1) / (figures.length + 1)) * 100}%`;
    if (low !== null) {
      const whisker = element("i", { class: `whisker run-${run % 8}` });
      Object.assign(whisker.style, { left: `${low * 100}%`, width: `${(high - low) * 100}%`, top });
      strip.append(whisker);
    }
    const dot = element("i", { class: `dot run-${run % 8}`, title: `${data.runs[run].name}: ${percent(value)}` });
    Object.assign(dot.style, { left: `${value * 100}%`, top });
    strip.append(dot);
  });
  if (figures.length > 2) strip.style.height = `${figures.length * 0.7}rem`;
  return strip;
}

function breakdownRows() {
  const rows = new Map();
  data.runs.forEach((run, number) => {
    for (const group of run[state.by]) {
      const key = JSON.stringify([group.source, group.category]);
      if (!rows.has(key)) rows.set(key, { group, figures: data.runs.map(() => null) });
      rows.get(key).figures[number] = group.figures[state.metric];
    }
  });
  return [...rows.values()];
}

function drawBreakdown() {
  const table = byId("breakdown-table");
  const column = (title, run = null) => element("th", { scope: "col" },
    run === null ? null : element("i", { class: `swatch run-${run % 8}`, "aria-hidden": "true" }),
    element("button", { type: "button" }, title));
  const axis = element("th", { scope: "col", class: "plot" },
    element("span", { class: "hidden" }, "Plot"),
    element("span", { class: "axis", "aria-hidden": "true" }, ...["0", "50", "100"].map((text) => element("span", {}, text))));
  const head = element("tr", {}, column(state.by === "sources" ? "Source" : "Category"), column("Queries"), axis,
    ...data.runs.map((run, number) => column(run.name, number)));
  const body = breakdownRows().map(({ group, figures }) => {
    const name = group.category ?? group.source;
    const detail = group.category ? group.source : `${group.categories} categories`;
    return element("tr", {},
      element("th", { scope: "row", "data-value": name }, name, element("span", { class: "fine" }, detail)),
      element("td", { "data-value": group.samples }, String(group.samples),
        element("span", { class: "fine" }, `${group.anomalous} anomalous`)),
      element("td", { class: "plot" }, dots(figures)),
      ...figures.map((figure) => figureCell(figure)));
  });
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  makeSortable(table);
}

function figureCell(figure) {
  if (!figure || figure[0] === null) {
    return element("td", { class: "undefined", "data-value": -1, title: figure ? "undefined here" : "not in this run" }, "–");
  }
  const interval = figure[1] === null ? null
    : element("span", { class: "fine" }, `${percent(figure[1])} – ${percent(figure[2])}`);
  return element("td", { "data-value": figure[0] }, element("span", { class: "number" }, percent(figure[0])), interval);
}
