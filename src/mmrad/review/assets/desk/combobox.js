/* A text field that offers the labels in use: the combobox pattern of ARIA. */

const OFFERED = 8;

export const Combobox = {
  props: { value: String, options: Array, name: String },
  emits: ["done", "cancel"],
  data() {
    return { text: this.value, active: -1, touched: false, over: false };
  },
  template: `
    <div class="desk-combobox">
      <input ref="field" type="text" role="combobox" maxlength="200" autocomplete="off" spellcheck="false" :aria-label="name" aria-autocomplete="list"
             :aria-expanded="offered.length > 0" aria-controls="desk-labels" :aria-activedescendant="active >= 0 ? 'desk-label-' + active : undefined"
             v-model="text" @input="typed" @keydown="key" @blur="finish(text)">
      <ul v-show="offered.length" id="desk-labels" role="listbox" :aria-label="name">
        <li v-for="(label, i) in offered" :key="label" :id="'desk-label-' + i" role="option" :aria-selected="i === active"
            @pointerdown.prevent="finish(label)">{{ label }}</li>
      </ul>
    </div>`,
  computed: {
    /* All of them until something is typed; then those that begin so before those that hold it. */
    offered() {
      const typed = this.touched ? this.text.trim().toLowerCase() : "";
      const at = (label) => label.toLowerCase().indexOf(typed);
      return this.options
        .filter((label) => at(label) >= 0)
        .sort((a, b) => Math.min(at(a), 1) - Math.min(at(b), 1))
        .slice(0, OFFERED);
    },
  },
  mounted() {
    this.$refs.field.focus({ preventScroll: true });
    this.$refs.field.select();
  },
  methods: {
    typed() {
      this.touched = true;
      this.active = -1;
    },
    key(event) {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by && this.offered.length)
        this.active =
          (this.active + by + this.offered.length + (this.active < 0 && by < 0 ? 1 : 0)) % this.offered.length;
      else if (event.key === "Enter") this.finish(this.offered[this.active] ?? this.text);
      else if (event.key === "Escape") this.close("cancel");
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    finish(label) {
      const words = label.trim();
      this.close(words ? "done" : "cancel", words);
    },
    /* Once: taking the field away blurs it. */
    close(how, words) {
      if (this.over) return;
      this.over = true;
      this.$emit(how, words);
    },
  },
};
