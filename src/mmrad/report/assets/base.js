"use strict";
// All text goes into the page through textContent or attributes, never as markup.

const facts = JSON.parse(document.getElementById("facts").textContent);
const byId = (id) => document.getElementById(id);
const outcomeKind = Object.fromEntries(facts.outcomes.map((kind) => [kind.key, kind]));
const DEFAULTS = {
  scope: "", iou: "0.1", published: "1", each: "0", metric: "accuracy", by: "categories", leader: String(facts.leader),
  run: "all", show: "", source: "", category: "", label: "", outcome: "", order: "", q: "",
  boxes: "1", truth: "1", heat: "1", open: "",
};
let state = { ...DEFAULTS };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(byId("drawing").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const percent = (value) => (value * 100).toFixed(1);
const plural = (count, word, words = `${word}s`) => `${count} ${count === 1 ? word : words}`;
const statusName = (status) => status.replaceAll("_", " ");
const fine = (...children) => element("span", { class: "fine" }, ...children);
const hidden = (text) => element("span", { class: "hidden" }, text);

/* Scores of different kinds never stand beside each other unmarked. */
const ranking = (figure) => figure === "auroc" || figure === "average_precision";
const kindOf = (run) => facts.kinds[run.kind] ?? null;

/* Experts have thresholds, and maps that say where but not what. */
const isExpert = (run) => run.threshold !== null;

/* Runs are told apart by colour and by shape. Repeats of one variant share both. */
const variants = [...new Set(facts.runs.map((run) => run.variant))];
const look = (run) => variants.indexOf(facts.runs[run].variant);

/* The marker of a run: a circle, square, diamond or triangle around (x, y). */
function marker(number, x, y, radius, attributes = {}) {
  const r = radius;
  const paths = [
    `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    `M${x - r * 0.9} ${y - r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}z`,
    `M${x} ${y - r * 1.3}l${r * 1.3} ${r * 1.3}l${-r * 1.3} ${r * 1.3}l${-r * 1.3} ${-r * 1.3}z`,
    `M${x} ${y - r * 1.2}l${r * 1.2} ${r * 2.1}h${-r * 2.4}z`,
    `M${x} ${y + r * 1.2}l${r * 1.2} ${-r * 2.1}h${-r * 2.4}z`,
  ];
  return svg("path", { d: paths[number % paths.length], class: `mark run-${number % 8}`, ...attributes });
}

function swatch(run) {
  return svg("svg", { class: "swatch-mark", viewBox: "0 0 12 12", "aria-hidden": "true" }, marker(look(run), 6, 6, 4.4));
}

/* ---- state in the address, so that a view can be linked to ---- */

function readState() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return false;
  const given = new URLSearchParams(hash);
  state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) state[name] = given.get(name);
  const fallBack = (name, known) => { if (!known) state[name] = DEFAULTS[name]; };
  fallBack("run", state.run === "all" || facts.runs[Number(state.run)]);
  fallBack("metric", state.metric in facts.figures);
  fallBack("by", state.by === "sources");
  fallBack("scope", facts.sources.includes(state.scope));
  fallBack("iou", facts.thresholds.includes(Number(state.iou)));
  return true;
}

function writeState() {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = new URLSearchParams(changed).toString();
  history.replaceState(history.state, "", hash ? `#${hash}` : location.pathname + location.search);
}

function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([key, name]) => element("option", { value: key }, name)));
  select.value = value;
}

/* A form whose fields have the names of parts of the state: keeps both in step, then calls back. */
function bindForm(form, changed) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    const { name, type, value, checked } = event.target;
    state[name] = type === "checkbox" ? (checked ? "1" : "0") : value;
    writeState();
    changed(name);
  });
}

function fillForm(form) {
  for (const field of form.elements) {
    if (!(field.name in state)) continue;
    if (field.type === "checkbox") field.checked = state[field.name] === "1";
    else if (field.type === "radio") field.checked = field.value === state[field.name];
    else if (field.value !== state[field.name]) field.value = state[field.name];
  }
}

/* ---- sorting tables by their headings ---- */

function sortBy(table, column, header) {
  const rows = [...table.tBodies[0].rows];
  const value = (row) => row.cells[column].dataset.value;
  const names = rows.some((row) => Number.isNaN(Number(value(row))));
  const before = header.getAttribute("aria-sort");
  const descending = before ? before !== "descending" : !names;
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const absent = (row) => value(row) === "";
  const compared = (a, b) => (names ? value(a).localeCompare(value(b), undefined, { numeric: true }) : value(a) - value(b));
  // What is undefined stands last in both directions.
  rows.sort((a, b) => absent(a) - absent(b) || (descending ? compared(b, a) : compared(a, b)));
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(table, column, header));
  });
}

/* Sorts a table that was drawn anew as its predecessor was sorted. */
function keepSorting(table, draw) {
  const sorted = table.querySelector("th[aria-sort]");
  const [key, direction] = sorted ? [sorted.dataset.key, sorted.getAttribute("aria-sort")] : [];
  draw();
  makeSortable(table);
  const header = key && table.querySelector(`th[data-key="${CSS.escape(key)}"]`);
  if (!header) return;
  header.setAttribute("aria-sort", direction === "descending" ? "ascending" : "descending");
  sortBy(table, header.cellIndex, header);
}

function heading(key, title, attributes = {}) {
  return element("th", { scope: "col", "data-key": key, ...attributes }, element("button", { type: "button" }, title));
}

/* A cell with a figure `[value, low, high, categories]`. */
function figureCell(figure, categories = 0, bar = false, kind = null) {
  if (!figure || figure[0] === null) {
    return element("td", { class: "undefined", "data-value": "", title: figure ? "undefined: nothing to divide by, or no score" : "not in this run" }, "–");
  }
  const [value, low, high, defined] = figure;
  const cell = element("td", { "data-value": value }, element("span", { class: "number" }, percent(value)));
  if (low !== null && low !== undefined) {
    if (bar) cell.append(intervalBar(value, low, high));
    cell.append(fine(`${percent(low)}–${percent(high)}`));
  }
  if (defined < categories) cell.append(fine(`${defined} of ${categories} cat.`));
  if (kind) cell.append(fine(kind));
  return cell;
}

function intervalBar(value, low, high) {
  const range = element("i", { class: "range" });
  Object.assign(range.style, { left: `${low * 100}%`, width: `${(high - low) * 100}%` });
  const point = element("i", { class: "point" });
  point.style.left = `${value * 100}%`;
  return element("span", { class: "interval", "aria-hidden": "true" }, range, point);
}
