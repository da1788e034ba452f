/* The judgement of texts, and their verification while a person writes or moves boxes. */

const PAUSE = 300; // milliseconds after the last change

export const checking = {
  data: () => ({ outcomes: {}, busy: false, timer: null, asked: 0 }),
  computed: {
    checked() {
      return { ...this.outcomes[this.sample.texts[this.text].teacher], busy: this.busy };
    },
  },
  watch: {
    editor() {
      clearTimeout(this.timer);
      this.outcomes = {};
      this.busy = false;
      // Stored checks are about the sample as it was built.
      if (this.editor?.edited || this.sample?.seen) this.recheck();
    },
  },
  methods: {
    showText(i) {
      if (!this.sample.texts.length) return;
      Object.assign(this, { text: i, editing: false, place: null });
      if (this.editor.edited) this.recheck();
    },
    judge(good) {
      this.editor.judge(this.sample.texts[this.text], good);
      this.saveDraft();
      this.say({ true: "The text is good.", false: "The text is bad.", null: "The text is not judged." }[good]);
    },
    judgeNext() {
      const text = this.sample.texts[this.text];
      if (!text) return this.say("There is no text.");
      const order = [null, true, false];
      this.judge(order[(order.indexOf(this.editor.goodOf(text)) + 1) % 3]);
    },
    rewrite(words) {
      this.editor.rewrite(this.sample.texts[this.text], words);
      this.saveDraft();
      this.recheck();
    },
    setEditing(now) {
      this.editing = now;
      if (!now) this.focusBox();
    },
    recheck() {
      clearTimeout(this.timer);
      if (!this.canEdit || !this.sample.texts.length || this.editor.problem) return;
      this.busy = true;
      this.timer = setTimeout(this.verify, PAUSE);
    },
    /* Of several answers the one to the last question counts. */
    async verify() {
      const asked = ++this.asked,
        { id } = this.sample,
        text = this.sample.texts[this.text];
      const regions = this.editor.regions.map(({ box, label, mask }) => ({ box, label, mask }));
      const body = { sample_id: id, text: this.editor.textOf(text), view_wh: text.view_wh, regions };
      const outcome = await this.api
        .post("/api/verify", body)
        .catch((failure) => ({ checks: {}, feedback: `Not checked: ${failure.message}` }));
      if (asked !== this.asked || this.sample?.id !== id) return;
      this.outcomes = { ...this.outcomes, [text.teacher]: outcome };
      this.busy = false;
    },
  },
};
