/* The desk: the page on which a person looks at a sample beside its reference and decides. */

import { markRaw, nextTick } from "vue";
import { Act } from "./act.js";
import { Api } from "./api.js";
import { checking } from "./checking.js";
import { EDIT, LOOK } from "./commands.js";
import { conflicts } from "./conflicts.js";
import { Editor, afterDecisions } from "./editor.js";
import { cursorAt, grab } from "./gestures.js";
import { Help } from "./help.js";
import { keyboard } from "./keyboard.js";
import { LAYOUT } from "./layout.js";
import { Loader } from "./loader.js";
import { Menu } from "./menu.js";
import { notices } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Overlay } from "./overlay.js";
import { Pane } from "./pane.js";
import { Percent } from "./percent.js";
import { proposals } from "./proposals.js";
import { Walk } from "./queue.js";
import { Regions } from "./regions.js";
import { Reviews } from "./reviews.js";
import { Stored } from "./stored.js";
import { Texts } from "./texts.js";
import { fit, stacksBetter, toImage } from "./viewport.js";
import { Watch } from "./watch.js";
import { OUTCOMES, REASONS, STATUSES, plural } from "./words.js";

/* What is on at the beginning of each sample. */
const AT_FIRST = {
  menu: "",
  naming: null,
  editing: false,
  tool: null,
  proposed: null,
  place: null,
  shownReview: null,
  finished: false,
  text: 0,
  reference: 0,
};

export default {
  components: { Act, Help, Menu, Overlay, Pane, Percent, Regions, Reviews, Texts },
  mixins: [keyboard, notices, conflicts, checking, proposals],
  props: {
    base: String,
    csrf: String,
    who: String,
    decides: Boolean,
    queue: Object,
    start: String,
    adjudicate: Boolean,
    segments: Boolean,
  },
  template: LAYOUT,
  data() {
    const api = markRaw(new Api(this.base, this.csrf));
    const stored = markRaw(new Stored(localStorage, this.who));
    const loader = markRaw(new Loader(api, this.adjudicate, this.queue?.key));
    const outbox = new Outbox(api, stored, {
      confirmed: this.confirmed,
      setAside: this.setAside,
      connection: this.connection,
    });
    const busy = () => this.outbox.items.map((item) => item.body.sample_id);
    const walk =
      this.queue && markRaw(new Walk(api, loader, this.queue.key, new Stored(sessionStorage, this.who), busy));
    return {
      api,
      stored,
      loader,
      outbox,
      walk,
      watch: markRaw(new Watch()),
      reasons: REASONS,
      sample: null,
      pictures: {},
      editor: null,
      progress: null,
      turn: 0,
      shared: { view: { scale: 1, x: 0, y: 0 }, pane: [1, 1], cursor: null },
      area: [2, 1],
      cursor: "crosshair",
      show: { boxes: true, mask: false, blink: false },
      decided: null,
      lastLabels: {},
      ...AT_FIRST,
    };
  },
  computed: {
    canEdit() {
      return this.decides && Boolean(this.editor);
    },
    savingWords() {
      const { length } = this.outbox.waiting;
      return length ? `${length} being saved` : this.decides ? "all saved" : "read only";
    },
    statusWords() {
      return STATUSES[this.sample.status];
    },
    stacked() {
      return this.sample.references.length > 0 && stacksBetter(this.area, this.sample.size_wh);
    },
    queryName() {
      return `Query picture, ${this.sample.size_wh.join(" by ")} pixels, ${plural(this.editor.regions.length, "box", "boxes")}`;
    },
    referenceLayers() {
      const { references } = this.sample;
      return [
        {
          url: this.addressOf(references[this.reference]),
          alt: `Reference ${this.reference + 1} of ${references.length}`,
          free: true,
        },
      ];
    },
    queryLayers() {
      const { image, mask, references } = this.sample;
      const blink = this.show.blink && references.length;
      return [
        { url: this.addressOf(image), alt: "Query", kind: "picture" },
        ...(mask && this.show.mask ? [{ url: this.addressOf(mask), alt: "Mask", kind: "mask", off: blink }] : []),
        ...(references.length
          ? [{ ...this.referenceLayers[0], alt: "Reference in the place of the query", kind: "blink", off: !blink }]
          : []),
      ];
    },
    /* Places drawn beside the regions in hand. */
    others() {
      if (this.show.blink) return [];
      const kind = (name, regions) => regions.map((region) => ({ ...region, kind: name }));
      return [
        ...kind("theirs", (this.conflict?.theirs ?? this.shownReview)?.regions ?? []),
        ...kind("proposed", this.proposed?.regions ?? []),
        ...(this.place ? [{ box: this.place, kind: "told" }] : []),
      ];
    },
  },
  mounted() {
    addEventListener("beforeunload", this.leaving);
    addEventListener("online", this.saveNow);
    this.saveNow();
    if (this.queue) this.begin();
    else this.open(this.start);
  },
  beforeUnmount() {
    removeEventListener("beforeunload", this.leaving);
    removeEventListener("online", this.saveNow);
  },
  methods: {
    addressOf(url) {
      return this.pictures[url] ?? this.api.url(url);
    },
    /* ---- from sample to sample ---- */
    begin() {
      const { current } = this.walk;
      return current && !current.decided ? this.goTo(() => current) : this.forward();
    },
    forward() {
      return this.queue ? this.goTo(() => this.walk.next()) : this.open(this.sample.id);
    },
    backward() {
      if (!this.queue) return this.say("This is the only sample here.");
      // From the last page, the sample before it is the one that was shown last.
      return this.goTo(
        () => (this.finished ? this.walk.current : this.walk.back()),
        "This is the first sample of this session.",
      );
    },
    lookAgain() {
      this.finished = false;
      return this.forward();
    },
    async goTo(step, otherwise = null) {
      let task;
      try {
        task = await step();
      } catch (failure) {
        return this.failed(failure, () => this.goTo(step, otherwise));
      }
      this.progress = this.walk.progress ?? this.progress;
      if (task) return this.open(task.sample_id);
      if (otherwise) return this.say(otherwise);
      this.finished = true;
      this.sample = this.editor = null;
    },
    async open(id) {
      const turn = ++this.turn; // of several openings the last one counts
      try {
        const { sample, pictures } = await this.loader.get(id);
        if (turn === this.turn) this.present(sample, pictures);
      } catch (failure) {
        if (turn === this.turn) this.failed(failure, () => this.open(id));
      }
    },
    present(sample, pictures) {
      this.dismissAll("sample");
      Object.assign(this, AT_FIRST, { pictures });
      this.takeUp(sample);
      this.watch.start();
      this.shared.view = fit(this.shared.pane, this.sample.size_wh);
      nextTick(() => this.$refs.query?.focus());
      if (this.queue)
        this.walk.fill().then(
          () => (this.progress = this.walk.progress),
          () => undefined,
        );
    },
    /* The sample with what this person decided of it and the server has not confirmed yet, and the draft. */
    takeUp(sample) {
      const pending = this.outbox.of(sample.id);
      this.conflict = null;
      if (pending.some((item) => item.aside)) return this.takeConflict(sample, pending);
      this.sample = afterDecisions(
        sample,
        pending.map((item) => item.body),
      );
      this.decided = this.sample.status in OUTCOMES ? this.sample.status : null;
      this.editor = new Editor(this.sample, this.draftOf(this.sample));
    },
    draftOf(sample) {
      const draft = this.decides && this.stored.get(`draft/${sample.id}`);
      if (!draft) return null;
      const fits = draft.seen === sample.seen;
      const discard = {
        words: "Discard them",
        act: () => (this.stored.remove(`draft/${sample.id}`), this.open(sample.id)),
      };
      const use = {
        words: "Use them",
        act: () => ((this.editor = new Editor(sample, draft)), this.saveDraft(), this.dismiss("draft")),
      };
      if (fits) this.notify("draft", "info", "Your changes that were not decided yet are back.", [discard], "sample");
      else
        this.notify(
          "draft",
          "warning",
          "You had changes here, but the sample was decided since.",
          [use, discard],
          "sample",
        );
      return fits ? draft : null;
    },
    failed(failure, again) {
      if (failure.status === 401) return this.connection(failure);
      this.notify(
        "load",
        "error",
        `The sample could not be loaded: ${failure.message}.`,
        [{ words: "Try again", act: () => (this.dismiss("load"), again()) }],
        "sample",
      );
    },
    /* ---- deciding ---- */
    mayDecide() {
      if (this.conflict) this.say("First choose: take theirs, or keep mine on top.");
      return this.canEdit && !this.conflict;
    },
    decide(outcome, reason = "") {
      if (!this.mayDecide() || (outcome === "keep" && this.refuseUnnamed())) return;
      this.send(outcome, reason, this.queue?.key ?? null, this.watch.seconds);
      if (this.queue) this.walk.decided();
      this.say(`${{ keep: "Kept", drop: "Dropped", unsure: "Unsure" }[outcome]}.`);
      this.forward();
    },
    refuseUnnamed() {
      const { problem } = this.editor;
      if (!problem) return false;
      this.say(problem);
      this.naming = this.editor.regions.find((region) => !region.label.trim()).key;
      return true;
    },
    send(outcome, reason, queue, seconds) {
      const safe = this.outbox.add(this.editor.decisions(outcome, reason, queue, seconds));
      this.stored.remove(`draft/${this.sample.id}`);
      if (!safe)
        this.notify(
          "room",
          "warning",
          "The browser has no room to keep decisions: leave this page open until all are saved.",
          [],
        );
    },
    confirmed(item, answer) {
      const id = item.body.sample_id;
      this.loader.forget(id);
      this.progress = answer.progress ?? this.progress;
      if (this.sample?.id === id && !this.outbox.of(id).length)
        this.sample = this.editor.sample = { ...this.sample, status: answer.status, seen: answer.seen };
    },
    dropFor(reason) {
      this.closeMenu();
      this.decide("drop", reason);
    },
    saveNow() {
      this.outbox.run();
    },
    /* ---- editing ---- */
    edit(change, done = "", nothing = "") {
      const changed = change();
      this.say(changed || changed === undefined ? done : nothing);
      this.saveDraft();
      this.recheck();
    },
    saveDraft() {
      const name = `draft/${this.sample.id}`;
      if (this.conflict) return; // kept with the decision that was not taken
      if (this.editor.edited) this.stored.set(name, this.editor.draft());
      else this.stored.remove(name);
    },
    addBox(box) {
      this.edit(() => this.editor.add(box, this.lastLabels[this.sample.category] ?? ""));
      this.naming = this.editor.current;
    },
    named(key, label) {
      this.naming = null;
      if (label) {
        this.lastLabels[this.sample.category] = label;
        this.edit(() => this.editor.relabel(key, label));
      }
      this.focusBox();
    },
    pick(key) {
      this.editor.select(key);
      this.focusBox();
    },
    removeBox(key) {
      this.editor.select(key);
      this.run("remove");
    },
    takeRegions(review) {
      this.edit(() => this.editor.setAll(review.regions), "Taken; undo brings yours back.");
    },
    /* ---- tools, mouse, focus ---- */
    useTool(tool) {
      this.tool = tool;
      this.say(tool.hint);
    },
    toolEnter() {
      const { tool } = this;
      if (!tool.enter()) return;
      this.tool = null;
      if (tool.box) this.addBox(tool.box);
      else this.edit(() => this.editor.split(tool.axis, tool.place), "Split.", "The box is too small to split.");
    },
    grab(event, onQuery) {
      grab(this, onQuery ? this.$refs.query : this.$refs.reference, event, onQuery);
    },
    hover(point) {
      this.cursor = cursorAt(this, point);
      this.tool?.moveTo(toImage(this.shared.view, point));
    },
    resized(size) {
      const { pane, view } = this.shared;
      const whole = JSON.stringify(view) === JSON.stringify(fit(pane, this.sample.size_wh));
      this.shared.pane = size;
      this.area = [this.$refs.panes.clientWidth, this.$refs.panes.clientHeight];
      if (whole) this.shared.view = fit(size, this.sample.size_wh);
    },
    focusBox() {
      nextTick(() =>
        (this.$refs.root?.querySelector(`[data-key="${this.editor?.current}"]`) ?? this.$refs.query)?.focus({
          preventScroll: true,
        }),
      );
    },
    /* After a click on a button keys go to the picture again. */
    settle(event) {
      if (event.detail && event.target.closest(".desk-tools button, .desk-decide button"))
        nextTick(() => this.menu || this.naming || this.focusBox());
    },
    closeMenu() {
      this.menu = "";
      this.focusBox();
    },
    cancel() {
      if (this.menu) return this.closeMenu();
      if (this.tool) this.tool = null;
      else if (this.proposed) this.proposed = null;
      else this.editor?.select(null);
      this.focusBox();
    },
    run(command) {
      const act = LOOK[command] ?? (this.decides ? EDIT[command] : undefined);
      if (act && (this.sample || ["help", "back", "skip"].includes(command))) act(this);
    },
    leaving(event) {
      if (this.outbox.waiting.length && !this.comingBack) event.preventDefault();
    },
  },
};
