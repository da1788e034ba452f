/* What each command of `keys.js` does to the desk. */

import { centred, fit, revealing, zoomed } from "./viewport.js";
import { BoxTool, SplitTool } from "./tools.js";

const STEP = 1.4;

function zoom(desk, factor) {
  const { view, pane } = desk.shared;
  const point = pane.map((length) => length / 2);
  desk.shared.view = zoomed(view, pane, desk.sample.size_wh, view.scale * factor, point);
}

function turn(desk, by) {
  const { length } = desk.sample.references;
  if (length < 2) return desk.say(length ? "There is one reference." : "There is no reference.");
  desk.reference = (desk.reference + by + length) % length;
  desk.say(`Reference ${desk.reference + 1} of ${length}.`);
}

function toggle(desk, name, words) {
  desk.show[name] = !desk.show[name];
  desk.say(`${words} ${desk.show[name] ? "on" : "off"}.`);
}

/* The middle of what is seen of the picture, or where the mouse is. */
function middle({ shared: { view, pane, cursor } }) {
  return cursor ?? [(pane[0] / 2 - view.x) / view.scale, (pane[1] / 2 - view.y) / view.scale];
}

/* Commands that look; everybody has them. */
export const LOOK = {
  skip: (desk) => desk.forward(),
  back: (desk) => desk.backward(),
  zoomIn: (desk) => zoom(desk, STEP),
  zoomOut: (desk) => zoom(desk, 1 / STEP),
  fit: (desk) => (desk.shared.view = fit(desk.shared.pane, desk.sample.size_wh)),
  full: ({ shared, sample }) => (shared.view = centred(shared.pane, sample.size_wh, 1)),
  previousReference: (desk) => turn(desk, -1),
  nextReference: (desk) => turn(desk, 1),
  mask: (desk) => (desk.sample.mask ? toggle(desk, "mask", "Mask") : desk.say("There is no mask.")),
  boxes: (desk) => toggle(desk, "boxes", "Boxes"),
  nextText: (desk) => desk.showText((desk.text + 1) % Math.max(1, desk.sample.texts.length)),
  help: (desk) => (desk.menu = "help"),
  cancel: (desk) => desk.cancel(),
};

/* Commands that edit or decide. */
export const EDIT = {
  keep: (desk) => desk.decide("keep"),
  drop: (desk) => desk.mayDecide() && (desk.menu = "drop"),
  unsure: (desk) => desk.decide("unsure"),
  draw: (desk) => desk.useTool(new BoxTool(desk.sample.size_wh, middle(desk))),
  mark: (desk) => desk.editor.mark(),
  markAll: (desk) => desk.editor.markAll(),
  relabel: (desk) => (desk.editor.region ? (desk.naming = desk.editor.current) : desk.say("Select a box first.")),
  remove: (desk) => desk.edit(() => desk.editor.remove(), "Deleted.", "Select a box first."),
  merge: (desk) =>
    desk.edit(
      () => desk.editor.merge(),
      "Merged.",
      "Select two boxes or more to merge: A takes one into the selection.",
    ),
  split: (desk) =>
    desk.editor.region ? desk.useTool(new SplitTool(desk.editor.whole)) : desk.say("Select a box first."),
  undo: (desk) => desk.edit(() => desk.editor.undo(), "Undone.", "Nothing to undo."),
  redo: (desk) => desk.edit(() => desk.editor.redo(), "Done again.", "Nothing to do again."),
  judge: (desk) => desk.judgeNext(),
  edit: (desk) => (desk.sample.texts.length ? (desk.editing = true) : desk.say("There is no text.")),
  propose: (desk) =>
    desk.sample.proposals.length ? (desk.menu = "propose") : desk.say("There is nothing to propose from."),
  tighten: (desk) => desk.tighten(),
  acceptAll: (desk) => desk.acceptAll(),
};

/* Arrow keys: they work the tool in hand, or the current box. True when they did anything. */
export function arrows(desk, by, event) {
  const { editor, tool } = desk;
  if (tool) {
    tool.arrow(by);
    reveal(desk, tool.at);
    return true;
  }
  if (!editor.region || !desk.canEdit) return false;
  const tag = event.repeat ? `${event.key} ${editor.current}` : null;
  const edge = event.altKey ? 2 : 0; // the corner that moves: upper left, or lower right
  if (event.altKey) desk.edit(() => editor.resize(by[0] ? "e" : "s", by, tag));
  else if (event.ctrlKey || event.metaKey) desk.edit(() => editor.resize(by[0] ? "w" : "n", by, tag));
  else desk.edit(() => editor.move(by, tag));
  reveal(desk, editor.region.box.slice(edge, edge + 2));
  return true;
}

function reveal({ shared, sample }, point) {
  shared.view = revealing(shared.view, shared.pane, sample.size_wh, point);
}
