// The samples of one question to the server, fetched a page at a time and forgotten when far away.

const PAGE = 100;
const KEPT = 30;

export class Pages {
  /** `changed` is called after a page has come, `failed` with a sentence when one could not. */
  constructor(url, changed, failed) {
    Object.assign(this, { url, changed, failed, total: null });
    this.pages = new Map();
    this.asked = new Map();
  }

  /** The sample at a place, or undefined while its page is on the way. */
  at(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Fetch what is missing of the places from `first` to before `last`; what is no longer wanted is given up. */
  want(first, last) {
    const from = Math.floor(first / PAGE);
    const to = Math.floor(Math.max(first, last - 1) / PAGE);
    for (const [page, control] of this.asked) if (page < from || page > to) control.abort();
    for (let page = from; page <= to; page += 1) {
      if (!this.pages.has(page) && !this.asked.has(page)) this.#fetch(page);
    }
  }

  close() {
    for (const control of this.asked.values()) control.abort();
  }

  async #fetch(page) {
    const control = new AbortController();
    this.asked.set(page, control);
    try {
      const address = `${this.url}&offset=${page * PAGE}&limit=${PAGE}`;
      const response = await fetch(address, { signal: control.signal });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
      this.#keep(page, answer);
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error.message);
    } finally {
      this.asked.delete(page);
    }
  }

  #keep(page, answer) {
    this.total = answer.total;
    this.pages.set(page, answer.samples.map(Object.freeze));
    // A Map remembers the order of insertion: the oldest page goes.
    if (this.pages.size > KEPT) this.pages.delete(this.pages.keys().next().value);
    this.changed();
  }
}
