/* Decisions that the server did not take: somebody else was faster, or something is wrong with them. */

import { Editor } from "./editor.js";
import { decisionWords } from "./words.js";

export const conflicts = {
  data: () => ({ conflict: null, returnTo: null }),
  methods: {
    setAside(sampleId) {
      this.loader.forget(sampleId);
      if (this.idle()) return this.visit(sampleId);
      this.notify(`aside ${sampleId}`, "warning", `Your decision on ${sampleId} was not taken.`, [
        { words: "Look now", act: () => this.visit(sampleId) },
      ]);
    },
    /* Nothing is in hand that going to another sample would interrupt. */
    idle() {
      const { editor } = this;
      return (
        !editor ||
        !(
          editor.edited ||
          editor.preview ||
          this.menu ||
          this.tool ||
          this.naming !== null ||
          this.editing ||
          this.conflict
        )
      );
    },
    visit(sampleId) {
      this.dismiss(`aside ${sampleId}`);
      if (!this.queue || this.sample?.id === sampleId) return this.open(sampleId);
      this.returnTo = this.sample?.id ?? null;
      return this.goTo(() => this.walk.goTo(sampleId));
    },
    /* Shows theirs beside mine, which is edited further. */
    takeConflict(sample, items) {
      const { aside } = items.find((item) => item.aside);
      const mine = items[0].body;
      const theirs = aside.reviews.at(-1) ?? null;
      const regions = mine.outcome === "keep" ? mine.regions : sample.regions;
      const judged = Object.fromEntries(
        items
          .map(({ body: { text } }) => text)
          .filter(Boolean)
          .map(({ teacher, good, after }) => [teacher, { good, after }]),
      );
      this.sample = sample;
      this.editor = new Editor(sample, { regions, judged });
      this.decided = mine.outcome;
      this.conflict = { items, mine, theirs };
      const words = theirs
        ? `${theirs.reviewer} decided since you opened this: ${decisionWords(theirs)} (dashed). You: ${decisionWords(mine)}.`
        : `The server did not take your decision (${decisionWords(mine)}): ${aside.error}`;
      this.notify("conflict", "warning", words, [], "sample");
    },
    takeTheirs() {
      this.outbox.remove(this.conflict.items);
      this.resolved("Theirs stays.");
    },
    keepMine() {
      const { mine, items } = this.conflict;
      if (mine.outcome === "keep" && this.refuseUnnamed()) return;
      this.send(mine.outcome, mine.reason, mine.queue, mine.seconds);
      this.outbox.remove(items);
      this.resolved("Yours is put on top.");
    },
    resolved(words) {
      const { id } = this.sample;
      this.conflict = null;
      this.loader.forget(id);
      this.say(words);
      const next = this.outbox.aside.keys().next().value ?? this.returnTo;
      if (!this.queue) return this.open(id);
      this.walk.decided();
      this.returnTo = null;
      return next ? this.goTo(() => this.walk.goTo(next)) : this.forward();
    },
  },
};
