/* The mouse on the panes: what a press begins, and what follows while it is held. */

import { moved, resized, sameBox, spanned } from "./boxes.js";
import { panned, toImage, toScreen } from "./viewport.js";

const REACH = 8; // screen pixels within which an edge is taken
const SLACK = 3; // screen pixels that a click may tremble, and beside a box that still hit it

const CURSORS = {
  nw: "nwse-resize",
  se: "nwse-resize",
  ne: "nesw-resize",
  sw: "nesw-resize",
  n: "ns-resize",
  s: "ns-resize",
  e: "ew-resize",
  w: "ew-resize",
};

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/* Which edge of a box a coordinate is at: the name of one, "" between them, null outside. Inside a small box the
   edges leave room for what is between them. */
function edgeAt(at, low, high, names) {
  const inner = Math.min(REACH, (high - low) / 4);
  if (at < low - REACH || at > high + REACH) return null;
  return at <= low + inner ? names[0] : at >= high - inner ? names[1] : "";
}

/* What lies under a point of the pane: the name of a handle of the current box, "" inside of it, else null. */
function target({ editor, shared }, point) {
  if (!editor.region) return null;
  const { box } = editor.region;
  const [x1, y1] = toScreen(shared.view, box.slice(0, 2)),
    [x2, y2] = toScreen(shared.view, box.slice(2));
  const [vertical, horizontal] = [edgeAt(point[1], y1, y2, "ns"), edgeAt(point[0], x1, x2, "we")];
  return vertical === null || horizontal === null ? null : vertical + horizontal;
}

/* How the mouse pointer looks over a point of the query's pane. */
export function cursorAt(desk, point) {
  if (!desk.canEdit) return "grab";
  const handle = target(desk, point);
  return handle === null ? "crosshair" : (CURSORS[handle] ?? "move");
}

/* Begins what a press on a pane means. `pane` is its component. */
export function grab(desk, pane, event, onQuery) {
  const panning = event.button === 1 || desk.panKey || !onQuery || !desk.canEdit;
  if (event.button > 1 || event.target.closest("button")) return;
  event.preventDefault(); // keeps the focus, and no autoscroll of the middle button
  pane.focus();
  const start = pane.at(event);
  const held = panning ? pan(desk, start) : edit(desk, start, event);
  follow(pane, event, start, held);
}

function follow(pane, event, start, held) {
  const root = pane.$refs.root;
  const moving = new AbortController();
  let trembling = true;
  const move = (next) => {
    const point = pane.at(next);
    trembling &&= distance(start, point) <= SLACK;
    if (!trembling) held.move(point);
  };
  const end = (next) => {
    moving.abort();
    if (next.type === "pointerup") held.end(trembling);
    else held.cancel?.();
  };
  root.setPointerCapture(event.pointerId);
  root.addEventListener("pointermove", move, { signal: moving.signal });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"])
    root.addEventListener(type, end, { signal: moving.signal });
}

function pan({ shared, sample }, start) {
  const { view } = shared;
  return {
    move: (point) =>
      (shared.view = panned(view, shared.pane, sample.size_wh, [point[0] - start[0], point[1] - start[1]])),
    end: () => undefined,
  };
}

function edit(desk, start, event) {
  if (desk.tool) return { move: () => undefined, end: () => desk.tool && desk.toolEnter() };
  const handle = event.shiftKey ? null : target(desk, start);
  return handle === null ? draw(desk, start, event) : reshape(desk, start, handle);
}

function reshape(desk, start, handle) {
  const { editor, shared, sample } = desk;
  const { current: key, whole: box } = editor;
  const from = toImage(shared.view, start);
  return {
    move(point) {
      const to = toImage(shared.view, point);
      const by = [to[0] - from[0], to[1] - from[1]];
      editor.preview = { key, box: handle ? resized(box, handle, by, sample.size_wh) : moved(box, by, sample.size_wh) };
    },
    end(clicked) {
      const { preview } = editor;
      editor.preview = null;
      if (clicked && !handle) editor.selectAt(from, SLACK / shared.view.scale);
      else if (preview && !sameBox(preview.box, box)) desk.edit(() => editor.place(key, preview.box));
    },
    cancel: () => (editor.preview = null),
  };
}

function draw(desk, start, event) {
  const { editor, shared, sample } = desk;
  const from = toImage(shared.view, start);
  return {
    move: (point) => (editor.preview = { key: null, box: spanned(from, toImage(shared.view, point), sample.size_wh) }),
    end(clicked) {
      const { preview } = editor;
      editor.preview = null;
      if (!clicked && preview) return desk.addBox(preview.box);
      const before = { current: editor.current, marked: editor.marked };
      editor.selectAt(from, SLACK / shared.view.scale);
      if (event.shiftKey && editor.current !== null) keepMarked(editor, before);
      desk.focusBox();
    },
    cancel: () => (editor.preview = null),
  };
}

/* A click with Shift takes the box into the selection, or out of it. */
function keepMarked(editor, { current, marked }) {
  editor.marked = marked.includes(current) || current === null ? marked : [...marked, current];
  editor.mark();
}
