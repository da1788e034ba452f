/* Undo and redo over values that are never changed in place. */

export class History {
  constructor(first, present = first) {
    this.past = present === first ? [] : [first];
    this.present = present;
    this.future = [];
    this.tag = null;
  }

  /* A new present. Steps that follow one another with the same tag, as of a key held down, are one. */
  push(value, tag = null) {
    if (tag === null || tag !== this.tag) this.past.push(this.present);
    this.present = value;
    this.future = [];
    this.tag = tag;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.present);
    this.present = this.past.pop();
    this.tag = null;
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.present);
    this.present = this.future.pop();
    this.tag = null;
    return true;
  }
}
