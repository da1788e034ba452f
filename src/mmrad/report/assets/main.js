/* Starts the page, keeps controls and drawings in step, and reloads a page of a run that is going on. */

function toggle(name) {
  state[name] = state[name] === "1" ? "0" : "1";
  writeState();
  fillForm(byId("gallery-controls"));
  drawToggles();
}

function onKey(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = { b: () => toggle("boxes"), t: () => toggle("truth") };
  if (facts.runs.some(isExpert)) actions.h = () => toggle("heat");
  if (viewer.open) Object.assign(actions, { ArrowLeft: () => step(-1), ArrowRight: () => step(1), k: () => step(-1), j: () => step(1) });
  else actions["/"] = () => byId("gallery-controls").elements.q.focus();
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function drawTables() {
  for (const form of ["leaderboard-controls", "breakdown-controls", "comparison-controls"]) if (byId(form)) fillForm(byId(form));
  byId("scope-said").textContent = `${scopeName()} · IoU ≥ ${state.iou}`;
  drawLeaderboard();
  drawPlots();
  drawBreakdown();
  drawPlaces();
  drawComparison();
}

function fillControls() {
  const top = byId("leaderboard-controls").elements;
  fillSelect(top.scope, [["", "All sources"], ...facts.sources.map((name) => [name, name])], state.scope);
  fillSelect(byId("breakdown-controls").elements.metric, Object.entries(facts.figures), state.metric);
  const comparison = byId("comparison-controls");
  if (comparison) fillSelect(comparison.elements.leader, leaders().map((number) => [String(number), facts.runs[number].name]), String(leaderNumber()));
}

function listen() {
  bindForm(byId("leaderboard-controls"), drawTables);
  bindForm(byId("breakdown-controls"), () => { drawBreakdown(); drawSources(); });
  if (byId("comparison-controls")) bindForm(byId("comparison-controls"), drawComparison);
  bindForm(byId("gallery-controls"), changedFilter);
  byId("more").addEventListener("click", drawMore);
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) drawMore(); }, { rootMargin: "1200px" }).observe(byId("more"));
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("close", () => { state.open = ""; writeState(); });
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", followAddress);
  for (const table of document.querySelectorAll("table.plain.sortable")) makeSortable(table);
  listenToDownloads();
}

function followAddress() {
  if (!readState()) return;
  drawTables();
  if (!gallery) return;
  drawFilters();
  drawGallery();
  if (state.open) openFromState();
  else byId("gallery").scrollIntoView();
}

/* ---- while a run is going on, the page is written anew now and then ---- */

const live = Number(document.documentElement.dataset.live ?? 0);

function stayLive() {
  if (!live) return;
  const busy = () => viewer.open || document.hidden || /^(INPUT|SELECT)$/.test(document.activeElement?.tagName ?? "") || String(getSelection());
  setInterval(() => {
    if (busy() || !byId("live-on").checked) return;
    history.replaceState({ scroll: scrollY }, "");
    location.reload();
  }, live * 1000);
}

function restoreScroll() {
  if (!live || history.state?.scroll === undefined) return;
  history.scrollRestoration = "manual";
  scrollTo({ top: history.state.scroll, behavior: "instant" });
}

const parsed = new Promise((done) => { addEventListener("DOMContentLoaded", done, { once: true }); });

async function start() {
  try {
    readState();
    fillControls();
    drawTables();
    drawReliability();
    listen();
  } finally {
    document.documentElement.dataset.drawn = "";
  }
  restoreScroll();
  stayLive();
  await parsed; // what is packed comes after this script, so that nothing waits for it
  try {
    await unpack();
  } catch (error) {
    byId("gallery-count").textContent = `The gallery cannot be read (${error}): it needs a browser with DecompressionStream, of 2023 or later.`;
    return;
  }
  drawFilters();
  drawGallery();
  restoreScroll();
  if (state.open) openFromState();
  document.documentElement.dataset.ready = Math.round(performance.now());
}

start();
