/* The sample in hand while a person edits it: its regions, what is selected, and the judgements of its texts. */

import { divided, divider, merged, moved, placed, replaced, resized, under, whole } from "./boxes.js";
import { History } from "./history.js";

const bare = ({ box, label, mask }) => ({ box, label, mask });
const same = (a, b) => JSON.stringify(a.map(bare)) === JSON.stringify(b.map(bare));

export class Editor {
  /* `draft`: what `draft()` gave for this sample before, or null. */
  constructor(sample, draft = null) {
    this.sample = sample;
    this.keys = 0;
    this.first = this.keyed(sample.regions);
    this.edits = new History(
      this.first,
      draft && !same(draft.regions, sample.regions) ? this.keyed(draft.regions) : this.first,
    );
    this.judged = { ...draft?.judged }; // by teacher: {good, after}
    this.current = null; // key of the region that keys work on
    this.marked = []; // keys of more regions, for merging
    this.preview = null; // {key, box} while the mouse is down; key null for a new box
  }

  keyed(regions) {
    return regions.map((region) => ({ ...bare(region), key: ++this.keys }));
  }

  get regions() {
    return this.edits.present;
  }

  get edited() {
    return !same(this.regions, this.first) || Object.keys(this.judged).length > 0;
  }

  get region() {
    return this.regions.find((region) => region.key === this.current) ?? null;
  }

  /* The current region's box, as it is edited. */
  get whole() {
    return whole(this.region.box, this.sample.size_wh);
  }

  /* Selected regions: the current one first, for its label is a merged one's. */
  get selected() {
    const keys = [this.current, ...this.marked.filter((key) => key !== this.current)];
    return keys.filter((key) => this.regions.some((region) => region.key === key));
  }

  select(key) {
    this.current = key;
    this.marked = [];
  }

  /* Another region under the point than the current one, if there are several. */
  selectAt(point, slack) {
    const keys = under(this.regions, point, slack);
    this.select(keys.length ? keys[(keys.indexOf(this.current) + 1) % keys.length] : null);
  }

  mark(key = this.current) {
    if (key === null) return;
    this.marked = this.marked.includes(key) ? this.marked.filter((other) => other !== key) : [...this.marked, key];
  }

  markAll() {
    this.marked = this.regions.map((region) => region.key);
    this.current ??= this.marked[0] ?? null;
  }

  change(regions, tag = null) {
    if (!same(regions, this.regions)) this.edits.push(regions, tag);
  }

  add(box, label = "") {
    const region = { key: ++this.keys, box, label, mask: null };
    this.change([...this.regions, region]);
    this.select(region.key);
  }

  addAll(regions) {
    const added = this.keyed(regions);
    this.change([...this.regions, ...added]);
    this.select(added.at(-1)?.key ?? null);
  }

  setAll(regions) {
    this.change(this.keyed(regions));
    this.select(null);
  }

  place(key, box, tag = null) {
    this.change(
      replaced(this.regions, key, (region) => placed(region, box)),
      tag,
    );
  }

  move(by, tag) {
    if (this.region) this.place(this.current, moved(this.whole, by, this.sample.size_wh), tag);
  }

  resize(handle, by, tag) {
    if (this.region) this.place(this.current, resized(this.whole, handle, by, this.sample.size_wh), tag);
  }

  relabel(key, label) {
    this.change(replaced(this.regions, key, (region) => ({ ...region, label })));
  }

  /* Takes the selected regions away; the one after them is current then. */
  remove() {
    const gone = this.selected;
    if (!gone.length) return 0;
    const at = this.regions.findIndex((region) => region.key === gone[0]);
    this.change(this.regions.filter((region) => !gone.includes(region.key)));
    this.select((this.regions[at] ?? this.regions.at(-1))?.key ?? null);
    return gone.length;
  }

  merge() {
    const keys = this.selected;
    if (keys.length < 2) return false;
    const label = this.regions.find((region) => region.key === keys[0]).label;
    const regions = merged(this.regions, keys);
    const one = regions.find((region) => keys.includes(region.key));
    this.change(
      replaced(regions, one.key, (region) => ({ ...region, label, box: whole(region.box, this.sample.size_wh) })),
    );
    this.select(one.key);
    return true;
  }

  split(axis, at) {
    const where = this.region && divider(this.whole, axis, at);
    if (where === null) return false;
    const regions = replaced(this.regions, this.current, (region) => placed(region, this.whole));
    this.change(divided(regions, this.current, axis, where, ++this.keys));
    return true;
  }

  undo() {
    return this.restored(this.edits.undo());
  }

  redo() {
    return this.restored(this.edits.redo());
  }

  restored(done) {
    if (!this.region) this.select(null);
    return done;
  }

  /* Regions as they are to be drawn now, the one under the mouse where it is. */
  get shown() {
    if (!this.preview) return this.regions;
    const { key, box } = this.preview;
    if (key === null) return [...this.regions, { key, box, label: "", mask: null }];
    return replaced(this.regions, key, (region) => placed(region, box));
  }

  textOf(text) {
    return this.judged[text.teacher]?.after ?? text.text;
  }

  goodOf(text) {
    return this.judged[text.teacher]?.good ?? null;
  }

  judge(text, good) {
    this.setJudged(text, { good, after: this.judged[text.teacher]?.after ?? null });
  }

  /* An edited text is good until the person says otherwise. */
  rewrite(text, after) {
    const good = this.goodOf(text);
    this.setJudged(text, after === text.text ? { good, after: null } : { good: good ?? true, after });
  }

  setJudged(text, judged) {
    const { [text.teacher]: _, ...others } = this.judged;
    this.judged = judged.good === null && judged.after === null ? others : { ...others, [text.teacher]: judged };
  }

  /* Why the regions cannot be kept, in words; empty when they can. */
  get problem() {
    const number = this.regions.findIndex((region) => !region.label.trim()) + 1;
    return number ? `Box ${number} has no label yet.` : "";
  }

  draft() {
    return { seen: this.sample.seen, regions: this.regions.map(bare), judged: this.judged };
  }

  /* What is sent for a decision: one review, and one more for each further text that was judged. */
  decisions(outcome, reason, queue, seconds) {
    const regions = (outcome === "keep" ? this.regions : this.first).map(bare);
    const texts = this.sample.texts
      .filter((text) => this.judged[text.teacher])
      .map((text) => ({
        teacher: text.teacher,
        before: text.text,
        view_wh: text.view_wh,
        ...this.judged[text.teacher],
      }));
    return (texts.length ? texts : [null]).map((text, i) => ({
      id: crypto.randomUUID(),
      sample_id: this.sample.id,
      queue,
      seen: this.sample.seen + i,
      outcome,
      reason,
      regions,
      text,
      seconds: i ? 0 : Math.round(seconds * 10) / 10,
    }));
  }
}

/* A sample as this person's decisions leave it that the server has not confirmed yet, and with each text as it was
   edited last. */
export function afterDecisions(sample, bodies) {
  const last = bodies.at(-1);
  const texts = sample.texts.map((text) => {
    const mine = bodies.findLast((body) => body.text?.teacher === text.teacher)?.text;
    const review = mine ? { good: mine.good, after: mine.after ?? mine.before, by: "You" } : text.review;
    return { ...text, review, text: review?.after ?? text.text };
  });
  return last
    ? { ...sample, texts, seen: last.seen + 1, status: last.outcome, regions: last.regions }
    : { ...sample, texts };
}
