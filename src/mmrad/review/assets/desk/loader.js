/* Samples and their pictures, loaded before they are shown. */

const KEPT = 24; // pictures

export class Loader {
  constructor(api, adjudicate, queue) {
    Object.assign(this, { api, adjudicate, queue });
    this.samples = new Map(); // by id: a promise
    this.pictures = new Map(); // by address: a promise of an address within the browser, the last used last
  }

  /* What is known of a sample, and where its first pictures are, by their addresses. */
  async get(id) {
    if (!this.samples.has(id)) {
      const asked = { id, ...(this.queue && { queue: this.queue }), ...(this.adjudicate && { adjudicate: 1 }) };
      this.samples.set(id, this.api.get("/api/sample", asked));
      this.samples.get(id).catch(() => this.forget(id));
    }
    const sample = await this.samples.get(id);
    const first = [sample.image, ...sample.references.slice(0, 1)];
    return {
      sample,
      pictures: Object.fromEntries(await Promise.all(first.map(async (url) => [url, await this.picture(url)]))),
    };
  }

  /* It is asked for again when it is wanted; its pictures stay as they are. */
  forget(id) {
    this.samples.delete(id);
  }

  picture(url) {
    const loading = this.pictures.get(url) ?? decoded(this.api.url(url));
    this.pictures.delete(url);
    this.pictures.set(url, loading);
    if (this.pictures.size > KEPT) {
      const [oldest, picture] = this.pictures.entries().next().value;
      this.pictures.delete(oldest);
      picture.then(({ own, place }) => own && URL.revokeObjectURL(place));
    }
    return loading.then(({ place }) => place);
  }
}

/* A picture within the browser, ready to be drawn: it depends on no cache. One that cannot be had is left to
   whoever shows it, who tells it. */
async function decoded(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return { place: url };
    const image = new Image();
    image.src = URL.createObjectURL(await answer.blob());
    await image.decode();
    return { place: image.src, own: true, image }; // the browser keeps the pixels of an image that is in use
  } catch {
    return { place: url };
  }
}
