/* Requests to the server. */

const PATIENCE = 20000; // milliseconds

/* A request that did not succeed: `status` of HTTP, or 0 when there was no answer. */
export class Failure extends Error {
  constructor(status, body, message) {
    super(body?.error ?? message);
    this.status = status;
    this.body = body;
  }
}

export class Api {
  constructor(base, csrf) {
    this.base = base;
    this.csrf = csrf;
  }

  url(path) {
    return this.base + path;
  }

  get(path, values = {}) {
    return this.send(`${path}?${new URLSearchParams(values)}`, {});
  }

  async post(path, body) {
    try {
      return await this.change(path, body);
    } catch (failure) {
      if (failure.status !== 403 || !(await this.renewed())) throw failure;
      return this.change(path, body);
    }
  }

  change(path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.csrf };
    return this.send(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /* Whether the secret of the session has changed, as after a restart of the server. */
  async renewed() {
    const before = this.csrf;
    this.csrf = (await this.get("/api/session")).csrf;
    return this.csrf !== before;
  }

  async send(path, request) {
    let answer, body;
    try {
      answer = await fetch(this.url(path), {
        ...request,
        credentials: "same-origin",
        signal: AbortSignal.timeout(PATIENCE),
      });
      body = await answer.json().catch(() => null);
    } catch (error) {
      throw new Failure(0, null, `no answer from the server (${error.message})`);
    }
    if (!answer.ok) throw new Failure(answer.status, body, `the server answered ${answer.status}`);
    if (body === null) throw new Failure(0, null, "the server's answer was cut off");
    return body;
  }
}
