/* The way through a queue: the samples a person has seen in this session, and the next ones. */

const AHEAD = 3;
const MOST = 20; // tasks that the server gives at once
const REMEMBERED = 100; // samples to go back to after a reload

export class Walk {
  /* `busy`: ids of samples that are decided but not confirmed yet; the server still offers them. */
  constructor(api, loader, queue, stored, busy) {
    Object.assign(this, { api, loader, queue, stored, busy });
    const kept = stored.get(`trail/${queue}`);
    this.trail = kept?.trail ?? []; // {sample_id, position, decided}
    this.at = kept?.at ?? -1;
    this.ahead = [];
    this.progress = null;
    this.filling = null;
  }

  get current() {
    return this.trail[this.at] ?? null;
  }

  /* Goes to the next one; null when this person has nothing left to do. */
  async next() {
    if (this.at < this.trail.length - 1) return this.go(this.at + 1);
    // An answer still on its way was asked for when the sample shown was another one, perhaps skipped since.
    if (!this.ahead.length) await this.filling?.catch(() => undefined);
    if (!this.ahead.length) await this.fill();
    const task = this.ahead.shift();
    if (!task) return null;
    this.trail = [...this.trail, task];
    this.go(this.trail.length - 1);
    this.fill().catch(() => undefined); // asked again when the next one is wanted
    return task;
  }

  back() {
    return this.at > 0 ? this.go(this.at - 1) : null;
  }

  /* To a sample that was seen, or that something happened to. */
  goTo(sampleId) {
    const at = this.trail.findLastIndex((task) => task.sample_id === sampleId);
    if (at >= 0) return this.go(at);
    this.trail = this.trail.toSpliced(this.at + 1, 0, { sample_id: sampleId, position: null, decided: false });
    return this.go(this.at + 1);
  }

  go(at) {
    this.at = at;
    this.remember();
    return this.current;
  }

  decided() {
    this.current.decided = true;
    this.remember();
  }

  remember() {
    const cut = Math.max(0, this.trail.length - REMEMBERED);
    this.stored.set(`trail/${this.queue}`, { trail: this.trail.slice(cut), at: this.at - cut });
  }

  fill() {
    this.filling ??= this.ask().finally(() => (this.filling = null));
    return this.filling;
  }

  async ask() {
    const known = new Set([...this.ahead.map((task) => task.sample_id), ...this.busy(), this.current?.sample_id]);
    const lacking = AHEAD - this.ahead.length;
    if (lacking <= 0) return;
    const last = this.ahead.at(-1) ?? this.trail.at(-1);
    const values = { count: Math.min(AHEAD + known.size, MOST), after: last?.position ?? -1 };
    const { tasks, progress } = await this.api.get(`/api/queues/${encodeURIComponent(this.queue)}/next`, values);
    this.progress = progress;
    const found = tasks.filter((task) => !known.has(task.sample_id)).slice(0, lacking);
    this.ahead = [...this.ahead, ...found.map((task) => ({ ...task, decided: false }))];
    this.ahead.forEach((task) => this.loader.get(task.sample_id).catch(() => undefined));
  }
}
