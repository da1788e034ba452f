/* Decisions on their way to the server. They are kept in the browser until the server confirms them, and are
   sent in the order they were made; a decision sent twice is stored once, by its id. */

const FIRST_WAIT = 500,
  LONGEST_WAIT = 15000; // milliseconds

export class Outbox {
  /* `told`: what is done when a decision was `confirmed` (item, answer) or `setAside` (sample id), and on
     trouble with the `connection` (failure, or null when it is over). */
  constructor(api, stored, told) {
    Object.assign(this, { api, stored, told });
    this.items = stored
      .names("outbox/")
      .map((name) => stored.get(name))
      .filter((item) => item?.body);
    this.order = this.items.reduce((last, item) => Math.max(last, item.order), 0);
    this.trouble = null; // the last Failure, while decisions wait for the connection or a login
    this.running = false;
    this.timer = null;
    this.wait = FIRST_WAIT;
  }

  get waiting() {
    return this.items.filter((item) => !item.aside);
  }

  /* Samples whose decisions the server did not take, each with its items. */
  get aside() {
    return Map.groupBy(
      this.items.filter((item) => item.aside),
      (item) => item.body.sample_id,
    );
  }

  of(sampleId) {
    return this.items.filter((item) => item.body.sample_id === sampleId);
  }

  add(bodies) {
    const safe = bodies.map((body) => this.keep({ body, order: ++this.order, aside: null })).every(Boolean);
    this.run();
    return safe;
  }

  keep(item) {
    if (!this.items.includes(item)) this.items = [...this.items, item];
    return this.stored.set(nameOf(item), item);
  }

  remove(items) {
    this.items = this.items.filter((item) => !items.includes(item));
    items.forEach((item) => this.stored.remove(nameOf(item)));
  }

  async run() {
    if (this.running) return;
    clearTimeout(this.timer);
    this.running = true;
    while (this.waiting.length && (await this.send(this.waiting[0])));
    this.running = false;
  }

  /* Whether the next one can be sent at once. */
  async send(item) {
    try {
      const answer = await this.api.post("/api/reviews", item.body);
      this.remove([item]);
      this.recovered();
      this.told.confirmed(item, answer);
    } catch (failure) {
      if (mayPass(failure.status)) return this.retryLater(failure);
      this.recovered();
      this.setAside(item, failure);
    }
    return true;
  }

  /* Later decisions on a sample build on the one that was not taken, and go with it. */
  setAside(item, { body, message }) {
    const later = this.waiting.filter((other) => other.body.sample_id === item.body.sample_id);
    later.forEach((other) => {
      other.aside = { error: message, reviews: body?.reviews ?? [] };
      this.keep(other);
    });
    this.items = [...this.items];
    this.told.setAside(item.body.sample_id);
  }

  recovered() {
    this.wait = FIRST_WAIT;
    if (this.trouble) this.told.connection((this.trouble = null));
  }

  retryLater(failure) {
    this.trouble = failure;
    this.told.connection(failure);
    this.timer = setTimeout(() => this.run(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    return false;
  }
}

/* No answer, no login, too many requests, and faults of the server; anything else is about the decision. */
const mayPass = (status) => status < 400 || [401, 408, 429].includes(status) || status >= 500;

const nameOf = (item) => `outbox/${String(item.order).padStart(8, "0")}-${item.body.id}`;
