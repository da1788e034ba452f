/* One query in full: its reference and truth beside what every inspector saw and said. */

const viewer = byId("viewer");
let current = 0;

function openViewer(index) {
  current = index;
  drawViewer();
  if (!viewer.open) viewer.showModal();
  viewer.querySelector(".viewer-body").scrollTop = 0;
}

function step(by) {
  if (entries.length) openViewer((current + by + entries.length) % entries.length);
}

function drawViewer() {
  const item = entries[current];
  state.open = item.id;
  writeState();
  byId("viewer-title").textContent = item.id;
  byId("viewer-place").textContent = `${current + 1} of ${entries.length} · ${item.source} / ${item.category} · ${item.size.join(" × ")} pixels`;
  byId("viewer-given").replaceChildren(
    ...(item.reference ? [picture(item.reference, item, "Normal reference")] : []), picture(item.query, item, "Query with its truth", [["true always", item.truth]]),
    element("h3", {}, "Truth"), placeList(item.truth, () => ""));
  const answers = answersOf(item);
  byId("viewer-said").replaceChildren(...answers.map((answer) => panel(item, answer)));
  byId("reasoning-key").hidden = !answers.some((answer) => answer.think);
  for (const holder of viewer.querySelectorAll(".picture")) holder.style.aspectRatio = item.size.join(" / ");
}

function panel(item, answer) {
  const run = facts.runs[answer.run];
  const title = `panel-${answer.run}`;
  return element("article", { class: "panel", "aria-labelledby": title },
    element("header", {}, element("h3", { id: title }, swatch(answer.run), run.name), isExpert(run) ? fine(`threshold: ${run.threshold}`) : null, badge(answer.outcome)),
    picture(item.query, item, "Query", [["true", item.truth], [hitOrWrong, answer.regions]], answer.heat),
    verdictOf(answer), reasoningOf(answer), asItCame(answer), factsOf(answer));
}

function verdictOf(answer) {
  const said = element("p", { class: "verdict" }, saidText(answer));
  if (!answer.regions.length) return said;
  const worth = (place) => (place.hit ? `IoU ${place.iou.toFixed(2)}` : place.iou > 0 ? `IoU ${place.iou.toFixed(2)}, no match` : "beside every true place");
  // An expert finds places and has no names for them.
  return isExpert(facts.runs[answer.run]) ? element("div", {}, said, placeList(answer.regions, worth, "")) : placeList(answer.regions, worth);
}

function placeList(places, note, unnamed = "no label") {
  if (!places.length) return element("p", { class: "verdict" }, "normal");
  return element("ul", { class: "places" }, ...places.map((place) => element("li", {}, place.label || unnamed,
    fine(`[${place.box.map(Math.round).join(", ")}] ${note(place)}`))));
}

function reasoningOf(answer) {
  if (!answer.think) return "";
  return element("p", { class: "reasoning", tabindex: "0", role: "group", "aria-label": "Reasoning" }, ...marked(answer.think, answer.regions));
}

/* The reasoning, with its boxes marked by what the answer's same box is worth. */
function marked(think, regions) {
  const number = "\\s*([-+]?\\d+(?:\\.\\d+)?)\\s*";
  const four = new RegExp(`[\\[(]${number},${number},${number},${number}[\\])]`, "g");
  const parts = [];
  let end = 0;
  for (const match of think.matchAll(four)) {
    const box = match.slice(1).map(Number);
    const same = regions.find((place) => place.spoken && place.spoken.every((value, i) => Math.abs(value - box[i]) < 1e-3));
    const [kind, meaning] = !same ? ["other", "not a box of the answer"]
      : same.hit ? ["hit", "a box of the answer, at a true place"] : ["wrong", "a box of the answer, at no true place"];
    parts.push(think.slice(end, match.index), element("mark", { class: kind, title: meaning }, match[0], hidden(` (${meaning})`)));
    end = match.index + match[0].length;
  }
  return [...parts, think.slice(end)];
}

function asItCame(answer) {
  const raw = rawText(answer);
  if (!raw) return "";
  const details = element("details", {}, element("summary", {}, "Answer as it came"), element("p", { class: "raw" }, raw));
  if (answer.outcome === "unanswered") details.open = true;
  return details;
}

function factsOf(answer) {
  const known = [];
  if (answer.status && answer.status !== "ok") known.push(statusName(answer.status));
  if (answer.detail && answer.outcome !== "unanswered") known.push(answer.detail);
  if (typeof answer.score === "number") known.push(`${facts.kinds[facts.runs[answer.run].kind] ?? "score"} ${answer.score.toFixed(3)}`);
  if (typeof answer.seconds === "number") known.push(`${answer.seconds.toFixed(2)} s`);
  return known.length ? fine(known.join(" · ")) : "";
}

function openFromState() {
  let index = entries.findIndex((item) => item.id === state.open);
  if (index < 0 && items.some((item) => item.id === state.open)) { // a link wins over filters it does not fit
    Object.assign(state, { run: "all", show: "", source: "", category: "", label: "", outcome: "", q: "" });
    drawFilters();
    drawGallery();
    index = entries.findIndex((item) => item.id === state.open);
  }
  if (index >= 0) openViewer(index);
}
