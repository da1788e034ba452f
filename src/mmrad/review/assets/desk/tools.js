/* Tools that are worked by arrow keys or by the mouse before Enter or a click makes the edit. */

import { divider, spanned } from "./boxes.js";

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/* A new box: its first corner, then the opposite one. A point is a pixel; the box covers both pixels. */
export class BoxTool {
  hint = "New box: arrows move the corner, Enter sets it, Escape cancels.";

  constructor(size, at) {
    this.size = size;
    this.first = null;
    this.moveTo(at);
  }

  get box() {
    const [x, y] = this.at,
      [left, top] = this.first ?? this.at;
    return spanned([Math.min(x, left), Math.min(y, top)], [Math.max(x, left) + 1, Math.max(y, top) + 1], this.size);
  }

  get line() {
    return null;
  }

  moveTo(point) {
    this.at = point.map((value, i) => clamp(Math.floor(value), 0, this.size[i] - 1));
  }

  arrow([dx, dy]) {
    this.moveTo([this.at[0] + dx, this.at[1] + dy]);
  }

  /* True when the box is complete. */
  enter() {
    if (this.first) return true;
    this.first = this.at;
    return false;
  }

  turn() {}
}

/* A line that divides a box: axis 0 is a vertical line. */
export class SplitTool {
  hint = "Split: arrows move the line, X turns it, Enter splits, Escape cancels.";

  constructor(box, at) {
    this.divided = box;
    this.axis = box[2] - box[0] >= box[3] - box[1] ? 0 : 1;
    this.at = at ?? [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  }

  get place() {
    return divider(this.divided, this.axis, this.at[this.axis]);
  }

  get line() {
    const [x1, y1, x2, y2] = this.divided,
      place = this.place;
    if (place === null) return null;
    return this.axis === 0
      ? [
          [place, y1],
          [place, y2],
        ]
      : [
          [x1, place],
          [x2, place],
        ];
  }

  get box() {
    return null;
  }

  moveTo(point) {
    this.at = point;
  }

  arrow(by) {
    this.at = this.at.with(this.axis, (this.place ?? 0) + by[this.axis]);
  }

  enter() {
    return true;
  }

  turn() {
    this.axis = 1 - this.axis;
  }
}
