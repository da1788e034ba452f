/* Where a picture lies in its pane. A view is {scale, x, y}: screen pixels an image pixel, and where its
   top left corner is in the pane. Sizes and points are [x, y]. */

const LARGEST = 64;
const MARGIN = 16;
const STAYS = 48; // pixels of the picture that cannot be moved out of the pane

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const toImage = (view, [x, y]) => [(x - view.x) / view.scale, (y - view.y) / view.scale];

export const toScreen = (view, [x, y]) => [view.x + x * view.scale, view.y + y * view.scale];

/* The whole picture in the middle, small ones not blown up beyond 8 screen pixels a pixel. */
export function fit(pane, size) {
  const room = pane.map((length) => Math.max(1, length - 2 * MARGIN));
  return centred(pane, size, Math.min(room[0] / size[0], room[1] / size[1], 8));
}

export const centred = (pane, size, scale) => ({
  scale,
  x: (pane[0] - size[0] * scale) / 2,
  y: (pane[1] - size[1] * scale) / 2,
});

/* Another scale, with what is under `point` of the pane staying there. */
export function zoomed(view, pane, size, scale, point) {
  const [x, y] = toImage(view, point);
  const smallest = Math.min(1, fit(pane, size).scale) / 2;
  const next = clamp(scale, smallest, LARGEST);
  return kept({ scale: next, x: point[0] - x * next, y: point[1] - y * next }, pane, size);
}

export const panned = (view, pane, size, [dx, dy]) => kept({ ...view, x: view.x + dx, y: view.y + dy }, pane, size);

/* The view moved as little as needed to show `point` of the picture. */
export function revealing(view, pane, size, point) {
  const at = toScreen(view, point);
  const by = at.map((value, i) => clamp(value, STAYS, Math.max(STAYS, pane[i] - STAYS)) - value);
  return by.some((value) => value) ? panned(view, pane, size, by) : view;
}

function kept(view, pane, size) {
  const low = size.map((length) => STAYS - length * view.scale);
  const high = pane.map((length) => length - STAYS);
  return {
    ...view,
    x: clamp(view.x, Math.min(low[0], high[0]), high[0]),
    y: clamp(view.y, Math.min(low[1], high[1]), high[1]),
  };
}

/* A picture of `size` as large as it fits into one of `frame`, as {scale, x, y} in the frame's pixels: a
   reference of another size than its query is laid over it. */
export const laidInto = (frame, size) => centred(frame, size, Math.min(frame[0] / size[0], frame[1] / size[1]));

/* Whether two panes in an area show a picture clearly larger one above the other than side by side. */
export function stacksBetter([width, height], size) {
  return fit([width, height / 2], size).scale > 1.2 * fit([width / 2, height], size).scale;
}
