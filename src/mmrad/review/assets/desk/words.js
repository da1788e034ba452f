/* What a text is made of, and words for what the server tells. */

const NUMBER = "\\s*(-?\\d{1,7}(?:\\.\\d+)?)\\s*";
const BOX = new RegExp(`[\\[(]${NUMBER},${NUMBER},${NUMBER},${NUMBER}[\\])]`, "g");

/* Checks of `mmrad.teach.verify`: a short name, and what passing means. */
export const CHECKS = {
  parses: ["format", "It can be read as reasoning and answer"],
  verdict: ["verdict", "Yes or No fits the boxes"],
  count: ["count", "It names as many places as there are boxes"],
  iou: ["places", "Each place of the answer is a box"],
  label: ["labels", "The labels mean the same"],
  box_in_think: ["places in reasoning", "The reasoning names the places of the answer and no other"],
  verdict_in_think: ["reasoning ends so", "The reasoning does not end with the opposite verdict"],
  hint_leak: ["no hint told", "Nothing tells of a hint"],
  language: ["language", "It is English"],
  length: ["length", "Neither too short nor too long"],
  repetition: ["no repetition", "Nothing is said again and again"],
};

export const OUTCOMES = { keep: "kept", drop: "dropped", unsure: "unsure" };
export const STATUSES = {
  open: "open",
  keep: "kept",
  drop: "dropped",
  unsure: "unsure",
  waiting: "waiting for others",
  disputed: "disputed",
};

export const REASONS = [
  "blurred or badly lit",
  "wrong product or view",
  "duplicate",
  "reference does not fit",
  "damaged or cut off",
  "defect cannot be told",
];

/* A text in pieces {text} and {text, box}: boxes as [x1, y1, x2, y2] of the view. */
export function pieces(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(BOX)) {
    const [a1, b1, a2, b2] = match.slice(1).map(Number);
    found.push({ text: text.slice(end, match.index) });
    found.push({ text: match[0], box: [Math.min(a1, a2), Math.min(b1, b2), Math.max(a1, a2), Math.max(b1, b2)] });
    end = match.index + match[0].length;
  }
  return [...found, { text: text.slice(end) }].filter((piece) => piece.text);
}

/* The reasoning and the answer of a text; all of it, without a name, when it has no such parts. */
export function sections(text) {
  const parts = /^\s*<think>(.*?)<\/think>\s*<answer>(.*?)<\/answer>\s*$/is.exec(text);
  if (!parts) return [{ name: "", text }];
  return [
    { name: "Reasoning", text: parts[1].trim() },
    { name: "Answer", text: parts[2].trim() },
  ];
}

/* A box of a view in pixels of the image. */
export const boxInImage = (box, view, size) => box.map((value, i) => (value * size[i % 2]) / view[i % 2]);

export const plural = (count, noun, nouns = `${noun}s`) => `${count} ${count === 1 ? noun : nouns}`;

/* What a decision says, in a line. */
export function decisionWords({ outcome, reason, regions }) {
  const what = {
    keep: regions.length ? `kept with ${plural(regions.length, "box", "boxes")}` : "kept as normal",
    drop: "dropped",
    unsure: "unsure",
  }[outcome];
  return reason ? `${what}: ${reason}` : what;
}
