/* The gallery: cards of queries, drawn as they are scrolled to. */

const PAGE = 48;
let drawn = 0;

/* ---- pictures ---- */

function picture(side, item, name, layers = [], heat = null) {
  const holder = element("div", { class: "picture" });
  if (side.problem) {
    holder.append(element("p", { class: "absent" }, side.problem));
  } else {
    const image = element("img", { src: images[side], alt: `${name} of ${item.id}`, loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => pictureMissing(image));
    holder.append(image);
    if (heat) holder.append(element("img", { class: "heat", src: images[heat], alt: "", loading: "lazy", decoding: "async" }));
    if (layers.length) holder.append(overlay(item, layers));
  }
  holder.append(element("span", { class: "caption", "aria-hidden": "true" }, name));
  return holder;
}

function pictureMissing(image) {
  image.replaceWith(element("p", { class: "absent" }, "picture not found"));
  byId("pictures-missing").hidden = false;
}

/* Layers are `[kind, places]`. Dark edges first, dashes last: under a prediction exactly on it the truth shows. */
function overlay(item, layers) {
  const [width, height] = item.size;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const rect = (place, kind) => {
    const [x1, y1, x2, y2] = place.box;
    drawing.append(svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: kind }));
  };
  for (const [, places] of layers) for (const place of places) rect(place, "halo");
  for (const [kind, places] of layers) for (const place of places) rect(place, typeof kind === "function" ? kind(place) : kind);
  return drawing;
}

const hitOrWrong = (place) => (place.hit ? "hit" : "wrong");

/* ---- cards ---- */

function badge(outcome, ...more) {
  return element("span", { class: "badge" }, element("i", { class: `glyph ${outcome}`, "aria-hidden": "true" }, outcomeKind[outcome].glyph), outcomeKind[outcome].name, ...more);
}

/* One small sign a run: who was right is seen at a glance. */
function signs(item) {
  const list = element("ul", { class: "signs" });
  facts.runs.forEach((run, number) => {
    const outcome = outcomeOf(item, number);
    if (outcome === null) return;
    const kind = outcomeKind[outcome];
    list.append(element("li", { title: `${run.name}: ${kind.name}` }, swatch(number),
      element("i", { class: `glyph ${outcome}`, "aria-hidden": "true" }, kind.glyph), hidden(`${run.name}: ${kind.name}`)));
  });
  return list;
}

function card(item, index) {
  const one = state.run === "all" && facts.runs.length > 1 ? null : answerOf(item, state.run === "all" ? 0 : Number(state.run));
  const layers = [["true", item.truth]];
  if (one) layers.push([hitOrWrong, one.regions]);
  else for (const answer of answersOf(item)) layers.push([`of run-${look(answer.run) % 8}`, answer.regions]);
  const said = element("p", { class: "said" }, `Truth: ${truthText(item)}`);
  if (one) said.append(element("br"), `Says: ${saidText(one)}`);
  const button = element("button", { type: "button", class: "card" },
    element("div", { class: item.reference ? "pictures" : "pictures alone" }, picture(item.query, item, "Query", layers, one?.heat),
      item.reference ? picture(item.reference, item, "Reference") : null),
    element("div", { class: "card-text" },
      element("div", { class: "card-line" }, one ? badge(one.outcome) : signs(item), element("span", { class: "where fine" }, `${item.source} / ${item.category}`)),
      said, one?.think ? element("p", { class: "think" }, one.think) : null));
  button.addEventListener("click", () => openViewer(index));
  return element("li", {}, button);
}

function drawMore() {
  const cards = entries.slice(drawn, drawn + PAGE).map((item, index) => card(item, drawn + index));
  byId("cards").append(...cards);
  drawn += cards.length;
  byId("more").hidden = drawn >= entries.length;
}

function drawGallery() {
  if (!gallery) return;
  entries = ordered(matching(state.outcome));
  drawn = 0;
  byId("cards").replaceChildren();
  drawMore();
  drawChips();
  byId("gallery-count").textContent = entries.length
    ? `${entries.length === items.length ? "All" : entries.length} of ${plural(items.length, "query", "queries")}` : "Nothing fits these filters.";
}

function drawChips() {
  const rest = matching("");
  const runs = chosenRuns();
  const chip = (key, name, count) => {
    const button = element("button", { type: "button", "aria-pressed": String(state.outcome === key) },
      key ? element("i", { class: `glyph ${key}`, "aria-hidden": "true" }, outcomeKind[key].glyph) : "", name, element("b", {}, String(count)));
    button.addEventListener("click", () => { state.outcome = key; changedFilter("outcome"); });
    return button;
  };
  const counted = facts.outcomes.map((kind) => [kind, rest.filter((item) => runs.some((run) => outcomeOf(item, run) === kind.key)).length]);
  byId("outcome-chips").replaceChildren(chip("", "Any outcome", rest.length),
    ...counted.filter(([kind, count]) => count || kind.key === state.outcome).map(([kind, count]) => chip(kind.key, kind.name, count)));
}

/* ---- controls ---- */

function drawFilters() {
  const form = byId("gallery-controls").elements;
  const inSource = items.filter((item) => !state.source || item.source === state.source);
  const inCategory = inSource.filter((item) => !state.category || item.category === state.category);
  const sorted = (values) => [...new Set(values)].sort((a, b) => a.localeCompare(b));
  const categories = sorted(inSource.map((item) => item.category));
  const labels = sorted(inCategory.flatMap((item) => item.truth.map((place) => place.label)));
  if (!categories.includes(state.category)) state.category = "";
  if (state.label !== "normal" && !labels.includes(state.label.slice(1))) state.label = "";
  const runs = facts.runs.map((run, number) => [String(number), run.name]);
  fillSelect(form.run, [["all", "All inspectors"], ...runs], state.run);
  fillSelect(form.show, Object.entries(SHOWN).map(([key, { name }]) => [key, name]), state.show);
  fillSelect(form.order, Object.entries(ORDERS).map(([key, [name]]) => [key, name]), state.order);
  fillSelect(form.source, [["", "All sources"], ...facts.sources.map((name) => [name, name])], state.source);
  fillSelect(form.category, [["", "All categories"], ...categories.map((name) => [name, name])], state.category);
  fillSelect(form.label, [["", "All labels"], ["normal", "normal"], ...labels.map((name) => [`=${name}`, name || "no label"])], state.label);
  fillForm(byId("gallery-controls"));
  drawToggles();
}

function drawToggles() {
  document.body.classList.toggle("no-boxes", state.boxes !== "1");
  document.body.classList.toggle("no-truth", state.truth !== "1");
  document.body.classList.toggle("no-heat", state.heat !== "1");
}

let waiting = 0;

function changedFilter(name) {
  if (["boxes", "truth", "heat"].includes(name)) { drawToggles(); return; }
  if (name === "source") state.category = state.label = "";
  if (name === "category") state.label = "";
  clearTimeout(waiting);
  const draw = () => { writeState(); drawFilters(); drawGallery(); };
  if (name === "q") waiting = setTimeout(draw, 120);
  else draw();
}
