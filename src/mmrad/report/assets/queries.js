/* The queries of the gallery: unpacking them, and the filters. */

let images = {};
let gallery = null; // { queries, answers } in columns, once unpacked
let items = []; // one entry a query
let entries = []; // those that fit the filters, in order
const LOW_IOU = 0.3;

/* Lies in the page as gzip in base64: a tenth of its size, and nothing to wait for before the tables stand. */
async function unpack() {
  const binary = atob(byId("queries").textContent.trim());
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  gallery = await new Response(stream).json();
  images = JSON.parse(byId("images").textContent);
  const { queries } = gallery;
  items = (queries.id ?? []).map((id, row) => ({
    id, row, source: queries.source[row], category: queries.category[row], size: queries.size[row],
    truth: queries.truth[row].map(placeOf), query: queries.query[row], reference: queries.reference[row],
    text: null,
  }));
}

const placeOf = ([label, x1, y1, x2, y2]) => ({ label, box: [x1, y1, x2, y2] });

/* What a run said of a query, or null when it was not among its queries. */
function answerOf(item, run) {
  const columns = gallery.answers[run];
  const at = (name) => columns[name][item.row];
  if (at("outcome") === null) return null;
  return {
    run, outcome: at("outcome"), anomalous: at("anomalous"), heat: at("heat"), status: at("status"), detail: at("detail") ?? "", think: at("think") ?? "", around: at("around") ?? [],
    score: at("score"), seconds: at("seconds"), iou: at("iou"), found: at("found") ?? [],
    regions: (at("regions") ?? []).map(([label, x1, y1, x2, y2, hit, iou, spoken]) => ({ label, box: [x1, y1, x2, y2], hit: hit === 1, iou, spoken })),
  };
}

const outcomeOf = (item, run) => gallery.answers[run].outcome[item.row];
const outcomesOf = (item) => facts.runs.map((_, run) => outcomeOf(item, run)).filter((outcome) => outcome !== null && outcome !== "not_asked");
const answersOf = (item) => facts.runs.map((_, run) => answerOf(item, run)).filter(Boolean);
const rawText = (answer) => answer.around.join(answer.think);
const labelsOf = (places) => places.map((place) => place.label || "no label").join(", ");
const truthText = (item) => (item.truth.length ? labelsOf(item.truth) : "normal");

function saidText(answer) {
  if (answer.outcome === "not_asked") return "not asked yet";
  if (answer.outcome === "unanswered") return `${statusName(answer.status)}${answer.detail ? `: ${answer.detail}` : ""}`;
  const judged = answer.anomalous ? "anomalous" : "normal";
  if (isExpert(facts.runs[answer.run])) return answer.regions.length ? `${judged}, ${plural(answer.regions.length, "place")}` : judged;
  if (answer.regions.length) return labelsOf(answer.regions);
  return answer.anomalous ? "anomalous, no place named" : judged;
}

/* ---- filters ---- */

const SHOWN = {
  "": { name: "All queries", fits: () => true },
  wrong: { name: "Wrong", fits: (item, runs) => runs.some((run) => !["right", "not_asked", null].includes(outcomeOf(item, run))) },
  all_wrong: { name: "Wrong for everyone", fits: (item) => outcomesOf(item).every((outcome) => outcome !== "right") && outcomesOf(item).length > 0 },
  disagree: { name: "Disagreement", fits: (item) => disagreement(item) > 0 },
  low_iou: { name: `IoU below ${LOW_IOU}`, fits: (item, runs) => runs.some((run) => (gallery.answers[run].iou[item.row] ?? 1) < LOW_IOU) },
};

/* How evenly the runs are split on whether the query is anomalous, from 0 to 1. */
function disagreement(item) {
  const said = facts.runs.map((_, run) => gallery.answers[run].anomalous[item.row]).filter((one) => one !== null);
  const yes = said.filter(Boolean).length;
  return said.length ? (2 * Math.min(yes, said.length - yes)) / said.length : 0;
}

const ORDERS = {
  "": ["Mixed outcomes", null],
  disagree: ["Most disagreement first", (item) => -disagreement(item)],
  iou: ["Lowest IoU first", (item) => meanIou(item)],
  id: ["By name", (item) => item.id],
};

function meanIou(item) {
  const known = chosenRuns().map((run) => gallery.answers[run].iou[item.row]).filter((iou) => iou !== null);
  return known.length ? known.reduce((sum, iou) => sum + iou, 0) / known.length : 2;
}

const chosenRuns = () => (state.run === "all" ? facts.runs.map((_, run) => run) : [Number(state.run)]);

/* All words of a query, in small letters; made once, when something is first searched for. */
function wordsOf(item) {
  item.text ??= [item.id, labelsOf(item.truth), ...answersOf(item).map((answer) => [answer.status, answer.detail, labelsOf(answer.regions), rawText(answer)].join("\n"))]
    .join("\n").toLowerCase();
  return item.text;
}

function wordsOfRun(item) {
  if (state.run === "all") return wordsOf(item);
  const answer = answerOf(item, Number(state.run));
  return [item.id, labelsOf(item.truth), answer.status, answer.detail, labelsOf(answer.regions), rawText(answer)].join("\n").toLowerCase();
}

/* Queries that fit; the outcome is left out to count how many each outcome would give. */
function matching(outcome) {
  const wanted = state.q.trim().toLowerCase();
  const runs = chosenRuns();
  const shown = SHOWN[state.show] ?? SHOWN[""];
  return items.filter((item) => runs.some((run) => outcomeOf(item, run) !== null)
    && (!state.source || item.source === state.source)
    && (!state.category || item.category === state.category)
    && (!state.label || (state.label === "normal" ? !item.truth.length : item.truth.some((place) => `=${place.label}` === state.label)))
    && (!outcome || runs.some((run) => outcomeOf(item, run) === outcome))
    && shown.fits(item, runs)
    && (!wanted || wordsOfRun(item).includes(wanted)));
}

function ordered(found) {
  const key = ORDERS[state.order]?.[1];
  if (!key) return found;
  const keys = new Map(found.map((item) => [item, key(item)]));
  return [...found].sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : a.row - b.row));
}
