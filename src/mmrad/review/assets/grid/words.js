// What a cell of the grid says of its sample.

const STATUSES = {
  keep: "✓ kept",
  drop: "✕ dropped",
  unsure: "? unsure",
  waiting: "… waiting",
  disputed: "≠ disputed",
};
const VERDICTS = {
  right: "✓ right",
  missed: "✗ missed",
  false_alarm: "! false alarm",
  unanswered: "? no answer",
};

/** Texts, badges and layers of boxes of a sample; of one on the way only a name. */
export function words(sample) {
  if (!sample) return { name: "loading" };
  const labels = [...new Set(sample.regions.map((region) => region.label))];
  const what = labels.join(", ") || "normal";
  const badges = [badge(sample.status, STATUSES), badge(sample.verdict?.kind, VERDICTS)].filter(Boolean);
  const layers = [layer("true", sample.regions), layer("claimed", sample.verdict?.regions ?? [])];
  const name = [what, sample.category, sample.source, ...badges.map((one) => one.text), sample.id].join(", ");
  return { name, what, badges, layers };
}

const badge = (kind, texts) => (kind in texts ? { kind, text: texts[kind] } : null);
const layer = (kind, regions) => ({ kind, boxes: regions.map((region) => region.box) });
