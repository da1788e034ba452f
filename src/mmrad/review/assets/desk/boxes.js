/* Edits of boxes and regions, without a page. A box is [x1, y1, x2, y2]: whole pixels of the original image,
   half-open, inside it. A region is {key, box, label, mask}; `key` tells regions apart while they are edited. */

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/* The pixels that two points of the picture (in its pixels, not whole) span; at least one. */
export function spanned(first, second, size) {
  const [x1, x2] = axisSpan(first[0], second[0], size[0]);
  const [y1, y2] = axisSpan(first[1], second[1], size[1]);
  return [x1, y1, x2, y2];
}

function axisSpan(a, b, length) {
  const low = clamp(Math.floor(Math.min(a, b)), 0, length - 1);
  return [low, clamp(Math.ceil(Math.max(a, b)), low + 1, length)];
}

/* The box moved, as far as the image goes. */
export function moved([x1, y1, x2, y2], [dx, dy], [width, height]) {
  const x = clamp(Math.round(dx), -x1, width - x2);
  const y = clamp(Math.round(dy), -y1, height - y2);
  return [x1 + x, y1 + y, x2 + x, y2 + y];
}

/* The box with the edges that `handle` names moved; they stop at the image's border and at the opposite edge. */
export function resized([x1, y1, x2, y2], handle, [dx, dy], [width, height]) {
  const x = Math.round(dx),
    y = Math.round(dy);
  return [
    handle.includes("w") ? clamp(x1 + x, 0, x2 - 1) : x1,
    handle.includes("n") ? clamp(y1 + y, 0, y2 - 1) : y1,
    handle.includes("e") ? clamp(x2 + x, x1 + 1, width) : x2,
    handle.includes("s") ? clamp(y2 + y, y1 + 1, height) : y2,
  ];
}

export const union = (boxes) => [0, 1, 2, 3].map((i) => Math[i < 2 ? "min" : "max"](...boxes.map((box) => box[i])));

export const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

export const sameBox = (a, b) => a.every((value, i) => value === b[i]);

/* The box in whole pixels inside the image, at least one: raw data also has others. */
export function whole([x1, y1, x2, y2], size) {
  const edge = (low, high, length) => {
    const first = clamp(Math.round(low), 0, length - 1);
    return [first, clamp(Math.round(high), first + 1, length)];
  };
  const [left, right] = edge(x1, x2, size[0]),
    [top, bottom] = edge(y1, y2, size[1]);
  return [left, top, right, bottom];
}

/* Where a line may divide the box along axis 0 (a vertical line) or 1: the nearest place to `at`, or null. */
export function divider(box, axis, at) {
  const [low, high] = [box[axis] + 1, box[axis + 2] - 1];
  return low <= high ? clamp(Math.round(at), low, high) : null;
}

/* Keys of the regions under a point of the picture, the smallest first. */
export const under = (regions, [x, y], slack = 0) =>
  regions
    .filter(({ box: [x1, y1, x2, y2] }) => x1 - slack <= x && x <= x2 + slack && y1 - slack <= y && y <= y2 + slack)
    .sort((a, b) => area(a.box) - area(b.box))
    .map((region) => region.key);

/* A mask shows the place it was made for: with another box it is not the region's any more. */
export const placed = (region, box) => (sameBox(region.box, box) ? region : { ...region, box, mask: null });

export const replaced = (regions, key, change) =>
  regions.map((region) => (region.key === key ? change(region) : region));

/* One region in the place of several: their union, the first one's label, and the mask if it is one for all. */
export function merged(regions, keys) {
  const chosen = regions.filter((region) => keys.includes(region.key));
  const mask = chosen.every((region) => region.mask === chosen[0].mask) ? chosen[0].mask : null;
  const one = { ...chosen[0], box: union(chosen.map((region) => region.box)), mask };
  return regions
    .filter((region) => region === chosen[0] || !chosen.includes(region))
    .map((region) => (region === chosen[0] ? one : region));
}

/* Two regions in the place of one. The second gets `newKey`. Neither keeps the mask, whose place was the whole. */
export function divided(regions, key, axis, at, newKey) {
  return regions.flatMap((region) => {
    if (region.key !== key) return [region];
    const low = region.box.with(axis + 2, at),
      high = region.box.with(axis, at);
    return [placed(region, low), { ...placed(region, high), key: newKey }];
  });
}
