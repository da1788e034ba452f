/* Which key does what: one table for the keyboard and for the help. */

const decide = "Decide",
  boxes = "Boxes",
  look = "Look",
  text = "Text and proposals";

export const KEYS = [
  [decide, "keep", "Keep: the boxes and labels are right", ["K", "Enter"]],
  [decide, "drop", "Drop, with a reason", ["D"]],
  [decide, "unsure", "Unsure", ["U"]],
  [decide, "skip", "Skip to the next", ["S", "Right"]],
  [decide, "back", "Back to the one before", ["Left"]],
  [boxes, "draw", "Draw a box by keys (arrows, Enter, arrows, Enter); with the mouse just drag", ["N"]],
  [boxes, "nextBox", "Next or previous box", ["Tab", "Shift+Tab"]],
  [boxes, "mark", "Take the box into a selection of several", ["A"]],
  [boxes, "markAll", "Select all", ["Ctrl+A"]],
  [boxes, "move", "Move the box by 1 pixel; with Shift by 10", ["Arrows"]],
  [boxes, "resize", "Move its right or lower edge; with Shift by 10", ["Alt+Arrows"]],
  [boxes, "resizeLow", "Move its left or upper edge; with Shift by 10", ["Ctrl+Arrows"]],
  [boxes, "relabel", "Label", ["L"]],
  [boxes, "remove", "Delete", ["Delete", "Backspace"]],
  [boxes, "merge", "Merge the selected boxes", ["G"]],
  [boxes, "split", "Split the box (X again: other direction, Enter: here)", ["X"]],
  [boxes, "undo", "Undo", ["Ctrl+Z"]],
  [boxes, "redo", "Redo", ["Ctrl+Shift+Z", "Ctrl+Y"]],
  [look, "zoomIn", "Zoom in, also with the wheel", ["+", "="]],
  [look, "zoomOut", "Zoom out", ["-"]],
  [look, "fit", "Whole picture, also by double-click", ["0"]],
  [look, "full", "100 %", ["1"]],
  [look, "pan", "Hold and drag to move the picture; or the middle button, or drag the reference", ["Space"]],
  [look, "blink", "Hold: the reference in the query's place", ["B"]],
  [look, "previousReference", "Previous reference", ["[", ","]],
  [look, "nextReference", "Next reference", ["]", "."]],
  [look, "mask", "Mask", ["M"]],
  [look, "boxes", "Boxes", ["H"]],
  [text, "judge", "The text is good, bad, or not judged", ["T"]],
  [text, "edit", "Edit the text (Escape: done)", ["E"]],
  [text, "nextText", "Next teacher's text", ["Y"]],
  [text, "propose", "Proposals", ["P"]],
  [text, "acceptAll", "Accept all proposals shown", ["Shift+P"]],
  [text, "tighten", "Tighten the box around what lies in it, by SAM", ["W"]],
  [text, "help", "This list", ["?", "F1"]],
  [text, "cancel", "Cancel, close, select nothing", ["Escape"]],
].map(([group, command, words, keys]) => ({ group, command, words, keys }));

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* The direction [x, y] of an arrow key, times 10 with Shift; null for another key. */
export function arrowOf(event) {
  const direction = ARROWS[event.key];
  return direction ? direction.map((value) => value * (event.shiftKey ? 10 : 1)) : null;
}

const COMMANDS = new Map(KEYS.flatMap(({ command, keys }) => keys.map((key) => [key.toLowerCase(), command])));

/* The command of a key event, or undefined. Arrows that edit a box are `arrowOf`'s. */
export function commandOf(event) {
  return COMMANDS.get(nameOf(event));
}

function nameOf(event) {
  const key = letterOf(event).replace("Arrow", "").toLowerCase();
  const typed = key.length === 1 && !/[a-z]/.test(key); // "?" is Shift and another key on most keyboards
  const plain = event.getModifierState?.("AltGraph");
  return [
    !plain && (event.ctrlKey || event.metaKey) ? "ctrl+" : "",
    !plain && event.altKey ? "alt+" : "",
    event.shiftKey && !typed ? "shift+" : "",
    key === " " ? "space" : key,
  ].join("");
}

/* On a keyboard of another script the place of the key counts. */
const letterOf = (event) =>
  /^Key[A-Z]$/.test(event.code) && !/^[ -~]+$/.test(event.key) ? event.code.slice(3) : event.key;

const SIGNS = { Left: "←", Right: "→" };

/* How a key is told to people. */
export const signOf = (key) => SIGNS[key] ?? key;

/* The keys of a command. */
export const keysOf = (command) => KEYS.find((entry) => entry.command === command).keys;
