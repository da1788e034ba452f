/* Boxes that a run or a model proposes. */

export const proposals = {
  methods: {
    async propose(name) {
      this.closeMenu();
      const { id } = this.sample;
      try {
        const { regions } = await this.api.get("/api/proposals", { id, name });
        if (this.sample?.id === id) this.proposed = { name, regions };
      } catch (failure) {
        this.say(`No proposals: ${failure.message}.`);
      }
    },
    /* The current box drawn close around what lies in it. */
    async tighten() {
      const { editor } = this,
        { id } = this.sample,
        key = editor.current;
      if (!this.segments) return this.say("No model to tighten boxes: start with --sam.");
      if (!editor.region) return this.say("Select a box first.");
      this.say("Tightening …");
      try {
        const { box } = await this.api.post("/api/segment", { id, box: editor.whole });
        if (this.editor === editor) this.edit(() => editor.place(key, box), "Tightened.");
      } catch (failure) {
        this.say(`Not tightened: ${failure.message}.`);
      }
    },
    accept(i) {
      this.edit(() => this.editor.addAll([this.proposed.regions[i]]));
      this.proposed = { ...this.proposed, regions: this.proposed.regions.toSpliced(i, 1) };
    },
    acceptAll() {
      if (!this.proposed?.regions.length) return this.say("There are no proposals.");
      this.edit(() => this.editor.addAll(this.proposed.regions), "Accepted.");
      this.proposed = null;
    },
  },
};
