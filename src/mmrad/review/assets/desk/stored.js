/* What the browser keeps of one person's work on one corpus, so that it outlives a reload or a crash. */

export class Stored {
  /* `storage`: localStorage or sessionStorage; `place`: who works where. */
  constructor(storage, place) {
    this.storage = storage;
    this.prefix = `mmrad/${place}/`;
  }

  get(name) {
    const text = this.storage.getItem(this.prefix + name);
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch {
      return null; // nothing that this page wrote
    }
  }

  /* False when the browser has no room left or forbids storing. */
  set(name, value) {
    try {
      this.storage.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  remove(name) {
    this.storage.removeItem(this.prefix + name);
  }

  /* Names that begin with `start`, sorted. */
  names(start) {
    return Object.keys(this.storage)
      .filter((key) => key.startsWith(this.prefix + start))
      .map((key) => key.slice(this.prefix.length))
      .sort();
  }
}
