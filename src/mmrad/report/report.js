"use strict";
// All text goes into the page through textContent or attributes, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const outcomeName = Object.fromEntries(data.outcomes.map((kind) => [kind.key, kind.name]));
const PAGE = 60;
const DEFAULTS = {
  metric: "accuracy", by: "categories", run: "0", source: "", category: "", outcome: "", q: "", boxes: "1", open: "",
};
let state = { ...DEFAULTS };
let shownCards = PAGE;
let entries = [];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function svg(tag, attributes) {
  const made = document.createElementNS(byId("drawing").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const percent = (value) => (value * 100).toFixed(1);

/* ---- state in the address, so that a view can be linked to ---- */

function readState() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return false;
  const given = new URLSearchParams(hash);
  state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) state[name] = given.get(name);
  if (state.run !== "all" && !data.runs[Number(state.run)]) state.run = DEFAULTS.run;
  if (!(state.metric in data.figures)) state.metric = DEFAULTS.metric;
  if (state.by !== "sources") state.by = DEFAULTS.by;
  return true;
}

function writeState() {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = new URLSearchParams(changed).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/* ---- pictures ---- */

function picture(side, item, answer, name) {
  const frame = element("div", { class: "picture" });
  if (!side || side.problem) {
    frame.append(element("p", { class: "absent" }, side ? side.problem : "no reference"));
  } else {
    frame.append(element("img", { src: data.images[side.image], alt: `${name} image, ${side.file}`, loading: "lazy" }));
    if (answer) frame.append(overlay(item, answer));
  }
  frame.append(element("span", { class: "caption", "aria-hidden": "true" }, name));
  return frame;
}

function overlay(item, answer) {
  const [width, height] = item.size_wh;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const draw = (region, kind) => {
    const [x1, y1, x2, y2] = region.box;
    drawing.append(svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: kind }));
  };
  // Dark edges first, dashes last: where a prediction lies exactly on the truth, the truth shows between them.
  for (const region of [...item.truth, ...answer.regions]) draw(region, "halo");
  for (const region of item.truth) draw(region, "true");
  for (const region of answer.regions) draw(region, region.hit ? "hit" : "wrong");
  return drawing;
}

/* ---- gallery ---- */

const labels = (regions) => regions.map((region) => region.label || "no label").join(", ");
const truthText = (item) => (item.truth.length ? labels(item.truth) : "normal");

function saidText(answer) {
  if (answer.outcome === "unanswered") return `${answer.status.replace("_", " ")}${answer.detail ? `: ${answer.detail}` : ""}`;
  if (!answer.anomalous) return "normal";
  return answer.regions.length ? labels(answer.regions) : "anomalous, no place named";
}

function searchText(item, answer) {
  return [item.id, labels(item.truth), labels(answer.regions), answer.think, answer.detail, answer.raw, answer.status]
    .join("\n").toLowerCase();
}

function matching(ignoreOutcome) {
  const wanted = state.q.trim().toLowerCase();
  const found = [];
  for (const item of data.gallery) {
    if (state.source && item.source !== state.source) continue;
    if (state.category && item.category !== state.category) continue;
    for (const answer of item.answers) {
      if (state.run !== "all" && answer.run !== Number(state.run)) continue;
      if (!ignoreOutcome && state.outcome && answer.outcome !== state.outcome) continue;
      if (wanted && !searchText(item, answer).includes(wanted)) continue;
      found.push({ item, answer });
    }
  }
  return found;
}

const badge = (outcome) =>
  element("span", { class: "badge" }, element("i", { class: `swatch ${outcome}`, "aria-hidden": "true" }), outcomeName[outcome]);

function card({ item, answer }, index) {
  const said = element("p", { class: "said" }, `Truth: ${truthText(item)}`, element("br"), `Says: ${saidText(answer)}`);
  const where = item.category + (state.run === "all" ? ` · ${data.runs[answer.run].name}` : "");
  const button = element("button", { type: "button", class: "card" },
    element("div", { class: "pictures" }, picture(item.query, item, answer, "Query"), picture(item.reference, item, null, "Reference")),
    element("div", { class: "card-text" },
      element("div", { class: "card-line" }, badge(answer.outcome), element("span", { class: "where fine" }, where)),
      said,
      answer.think ? element("p", { class: "think" }, answer.think) : null));
  button.addEventListener("click", () => openViewer(index));
  return element("li", {}, button);
}

function drawChips() {
  const rest = matching(true);
  const chip = (key, name, count) => {
    const button = element("button", { type: "button", "aria-pressed": String(state.outcome === key) },
      key ? element("i", { class: `swatch ${key}`, "aria-hidden": "true" }) : "", name, element("b", {}, String(count)));
    button.addEventListener("click", () => { state.outcome = key; shownCards = PAGE; update(); });
    return button;
  };
  const counted = data.outcomes.map((kind) => [kind, rest.filter(({ answer }) => answer.outcome === kind.key).length]);
  byId("outcome-chips").replaceChildren(chip("", "All", rest.length),
    ...counted.filter(([kind, count]) => count || kind.key === state.outcome).map(([kind, count]) => chip(kind.key, kind.name, count)));
}

function drawGallery() {
  entries = matching(false);
  drawChips();
  byId("gallery-count").textContent = entries.length ? `${entries.length} shown` : "Nothing fits these filters.";
  if (entries.length > shownCards) byId("gallery-count").textContent = `${shownCards} of ${entries.length} shown`;
  byId("cards").replaceChildren(...entries.slice(0, shownCards).map(card));
  byId("more").hidden = entries.length <= shownCards;
}

/* ---- larger view ---- */

const viewer = byId("viewer");
let current = 0;
let currentRun = null;

function openViewer(index) {
  current = index;
  currentRun = entries[index].answer.run;
  drawViewer();
  if (!viewer.open) viewer.showModal();
}

function step(by) {
  if (!entries.length) return;
  openViewer((current + by + entries.length) % entries.length);
}

function drawViewer() {
  const { item } = entries[current];
  const answer = item.answers.find((candidate) => candidate.run === currentRun);
  state.open = `${currentRun}:${item.id}`;
  writeState();
  byId("viewer-title").textContent = item.id;
  byId("viewer-place").textContent = `${current + 1} of ${entries.length} · ${item.size_wh.join(" × ")} pixels`;
  byId("viewer-pictures").replaceChildren(picture(item.query, item, answer, "Query"), picture(item.reference, item, null, "Reference"));
  for (const frame of byId("viewer-pictures").children) frame.style.aspectRatio = item.size_wh.join(" / ");
  byId("viewer-tabs").replaceChildren(...(data.runs.length > 1 ? item.answers.map((one) => runTab(one)) : []));
  byId("viewer-text").replaceChildren(...viewerText(item, answer));
}

function runTab(answer) {
  const tab = element("button", { type: "button", "aria-pressed": String(answer.run === currentRun) },
    element("i", { class: `swatch ${answer.outcome}`, "aria-hidden": "true" }), data.runs[answer.run].name,
    element("span", { class: "hidden" }, `: ${outcomeName[answer.outcome]}`));
  tab.addEventListener("click", () => { currentRun = answer.run; drawViewer(); });
  return tab;
}

function placeList(regions, note) {
  if (!regions.length) return element("p", {}, "normal");
  return element("ul", { class: "places" }, ...regions.map((region, index) => element("li", {},
    region.label || "no label", element("span", { class: "fine" }, `[${region.box.map(Math.round).join(", ")}] ${note(region, index)}`))));
}

function viewerText(item, answer) {
  const found = answer.found ?? [];
  const parts = [badge(answer.outcome), element("h3", {}, "Truth"),
    placeList(item.truth, (region, index) => (answer.anomalous ? (found.includes(index) ? "· found" : "· not found") : ""))];
  parts.push(element("h3", {}, "Verdict"));
  if (answer.outcome === "unanswered" || !answer.regions.length) parts.push(element("p", {}, saidText(answer)));
  else parts.push(placeList(answer.regions, (region) => (region.hit ? "· matched" : "· no match")));
  if (answer.think) {
    parts.push(element("h3", {}, "Reasoning"), element("p", { class: "reasoning" }, answer.think),
      element("p", { class: "fine" }, "Coordinates in the reasoning are in pixels of the picture the model saw."));
  }
  if (answer.raw) parts.push(element("h3", {}, "Answer as it came"), element("p", { class: "reasoning raw" }, answer.raw));
  const facts = [`status ${answer.status.replace("_", " ")}`];
  if (typeof answer.score === "number") facts.push(`score ${answer.score.toFixed(3)}`);
  if (typeof answer.seconds === "number") facts.push(`${answer.seconds.toFixed(2)} s`);
  parts.push(element("h3", {}, "Answer"), element("p", { class: "fine" }, facts.join(" · ")));
  return parts;
}

function nextRun() {
  const runs = entries[current].item.answers.map((answer) => answer.run);
  currentRun = runs[(runs.indexOf(currentRun) + 1) % runs.length];
  drawViewer();
}

/* ---- controls ---- */

function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([key, name]) => element("option", { value: key }, name)));
  select.value = value;
}

function drawControls() {
  const sources = [...new Set(data.gallery.map((item) => item.source))].sort();
  const inSource = data.gallery.filter((item) => !state.source || item.source === state.source);
  const categories = [...new Set(inSource.map((item) => item.category))].sort();
  if (!categories.includes(state.category)) state.category = "";
  const form = byId("gallery-controls").elements;
  const runs = data.runs.map((run, number) => [String(number), run.name]);
  fillSelect(form.run, runs.length > 1 ? [["all", "All inspectors"], ...runs] : runs, state.run);
  fillSelect(form.source, [["", "All sources"], ...sources.map((name) => [name, name])], state.source);
  fillSelect(form.category, [["", "All categories"], ...categories.map((name) => [name, name])], state.category);
  if (form.q.value !== state.q) form.q.value = state.q;
  form.boxes.checked = state.boxes === "1";
  const breakdown = byId("breakdown-controls").elements;
  fillSelect(breakdown.metric, Object.entries(data.figures), state.metric);
  breakdown.by.value = state.by;
  document.body.classList.toggle("no-boxes", state.boxes !== "1");
}

function update() {
  writeState();
  drawControls();
  drawGallery();
}

function toggleBoxes() {
  state.boxes = state.boxes === "1" ? "0" : "1";
  writeState();
  drawControls();
}

function openFromState() {
  const [run, ...id] = state.open.split(":");
  const matches = (entry) => entry.item.id === id.join(":");
  const index = entries.findIndex((entry) => matches(entry) && entry.answer.run === Number(run));
  const any = index >= 0 ? index : entries.findIndex(matches);
  if (any < 0) return;
  openViewer(any);
}

function onKey(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = { b: toggleBoxes };
  if (viewer.open) Object.assign(actions, { ArrowLeft: () => step(-1), ArrowRight: () => step(1), k: () => step(-1), j: () => step(1), m: nextRun });
  else actions["/"] = () => byId("gallery-controls").elements.q.focus();
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function listen() {
  byId("gallery-controls").addEventListener("input", (event) => {
    const { name, value, checked } = event.target;
    state[name] = name === "boxes" ? (checked ? "1" : "0") : value;
    if (name === "source") state.category = "";
    shownCards = PAGE;
    if (name === "boxes") { writeState(); drawControls(); } else update();
  });
  byId("breakdown-controls").addEventListener("input", (event) => {
    state[event.target.name] = event.target.value;
    writeState();
    drawBreakdown();
  });
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { shownCards += PAGE; drawGallery(); });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("close", () => { state.open = ""; writeState(); });
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => {
    if (!readState()) return;
    shownCards = PAGE;
    drawControls();
    drawBreakdown();
    drawGallery();
    if (state.open) openFromState();
    else byId("gallery").scrollIntoView();
  });
}

readState();
drawControls();
const leaderboard = document.querySelector(".leaderboard");
makeSortable(leaderboard);
markBest(leaderboard);
drawBreakdown();
drawGallery();
listen();
if (state.open) openFromState();
