/* The panel in which a teacher's text is read, judged and edited. */

import { Act } from "./act.js";
import { CHECKS, boxInImage, pieces, sections } from "./words.js";

export const Texts = {
  components: { Act },
  props: {
    texts: Array,
    shown: Number,
    editor: Object,
    size: Array,
    checked: Object,
    editing: Boolean,
    editable: Boolean,
  },
  emits: ["show", "judge", "rewrite", "edit", "place"],
  template: `
    <section class="desk-part desk-texts" aria-labelledby="desk-texts-title">
      <header><h2 id="desk-texts-title">Text</h2>
        <div v-if="texts.length > 1" role="tablist" aria-label="Teachers" class="desk-tabs">
          <button v-for="(other, i) in texts" :key="other.teacher" type="button" role="tab" aria-controls="desk-text"
                  :aria-selected="i === shown" :tabindex="i === shown ? 0 : -1" @click="$emit('show', i)" @keydown="along($event, i)">
            {{ other.teacher }}<span v-if="mark(other)" class="judged">{{ mark(other) }}</span></button>
        </div>
        <span v-else class="desk-soft">{{ text.teacher }}</span>
      </header>
      <div id="desk-text" :role="texts.length > 1 ? 'tabpanel' : 'group'" :aria-label="'Text of ' + text.teacher">
        <textarea v-if="editing" ref="area" class="desk-area" aria-label="Text" spellcheck="true" maxlength="20000"
                  :value="words" @input="$emit('rewrite', $event.target.value)"
                  @keydown.esc.stop="$emit('edit', false)" @keydown.ctrl.enter.stop="$emit('edit', false)"></textarea>
        <div v-else class="desk-read" tabindex="0" role="group" aria-label="Reasoning and answer">
          <template v-for="section in parts"><h3 v-if="section.name">{{ section.name }}</h3>
            <p><template v-for="piece in section.pieces"><button v-if="piece.box" type="button" class="desk-place"
              :aria-label="'Place ' + piece.text" @pointerenter="point(piece)" @pointerleave="point(null)"
              @focus="point(piece)" @blur="point(null)">{{ piece.text }}</button><template
              v-else>{{ piece.text }}</template></template></p></template>
        </div>
        <ul class="desk-checks" :aria-busy="checked.busy">
          <li v-for="check in checks" :key="check.name" :class="check.state" :title="check.words">
            <span aria-hidden="true">{{ check.sign }}</span>{{ check.short }}<span class="desk-hidden">: {{ check.state }}</span></li>
        </ul>
        <p v-if="checked.feedback && editing" class="desk-feedback">{{ checked.feedback }}</p>
        <p v-if="text.review" class="desk-soft">{{ text.review.by }} found it {{ text.review.good ? "good" : "bad" }}.</p>
      </div>
      <div v-if="editable" class="desk-row">
        <Act words="Good" command="judge" :pressed="good === true" @act="$emit('judge', good === true ? null : true)" />
        <Act words="Bad" :pressed="good === false" @act="$emit('judge', good === false ? null : false)" />
        <Act :words="editing ? 'Done' : 'Edit'" command="edit" @act="$emit('edit', !editing)" />
        <Act v-if="words !== text.text" words="As it was" @act="$emit('rewrite', text.text)" />
      </div>
    </section>`,
  computed: {
    text() {
      return this.texts[this.shown];
    },
    words() {
      return this.editor.textOf(this.text);
    },
    good() {
      return this.editor.goodOf(this.text);
    },
    parts() {
      return sections(this.words).map(({ name, text }) => ({ name, pieces: pieces(text) }));
    },
    checks() {
      const outcome = this.checked.checks ?? this.text.checks;
      const state = (name) => (outcome[name] === true ? "passed" : outcome[name] === false ? "failed" : "not checked");
      return Object.keys(outcome).map((name) => {
        const [short, words] = CHECKS[name] ?? [name.replaceAll("_", " "), name];
        return { name, short, words, state: state(name), sign: { passed: "✓", failed: "✗" }[state(name)] ?? "–" };
      });
    },
  },
  watch: {
    editing(now) {
      if (now) this.$nextTick(() => this.$refs.area.focus());
    },
  },
  methods: {
    mark(text) {
      return { true: "✓", false: "✗" }[this.editor.goodOf(text)] ?? "";
    },
    point(piece) {
      this.$emit("place", piece && boxInImage(piece.box, this.text.view_wh, this.size));
    },
    along(event, i) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.stopPropagation();
      const next = (i + by + this.texts.length) % this.texts.length;
      this.$emit("show", next);
      this.$nextTick(() => event.target.parentElement.children[next].focus());
    },
  },
};
