/* How long a person has looked at a sample: time in which the page was hidden does not count. */

export class Watch {
  constructor(clock = () => performance.now()) {
    this.clock = clock;
    this.start();
    document.addEventListener("visibilitychange", () => this.turn());
  }

  start() {
    this.sum = 0;
    this.since = document.hidden ? null : this.clock();
  }

  get seconds() {
    return (this.sum + (this.since === null ? 0 : this.clock() - this.since)) / 1000;
  }

  turn() {
    if (document.hidden && this.since !== null) this.sum += this.clock() - this.since;
    this.since = document.hidden ? null : (this.since ?? this.clock());
  }
}
