/* A small menu with number keys, and a field for other words: reasons, and where proposals come from. */

export const Menu = {
  props: { title: String, options: Array, other: String },
  emits: ["chosen", "cancel"],
  data: () => ({ text: "" }),
  template: `
    <div class="desk-menu" role="dialog" :aria-label="title" @keydown.stop="key">
      <h2>{{ title }}</h2>
      <button v-for="(option, i) in options" ref="buttons" type="button" @click="$emit('chosen', option)"><kbd>{{ i + 1 }}</kbd> {{ option }}</button>
      <form v-if="other" @submit.prevent="text.trim() && $emit('chosen', text.trim())">
        <label><kbd>0</kbd> {{ other }} <input ref="field" v-model="text" type="text" maxlength="500" autocomplete="off"></label>
      </form>
    </div>`,
  mounted() {
    this.$refs.buttons[0].focus();
  },
  methods: {
    key(event) {
      if (event.key === "Escape") return this.$emit("cancel");
      if (event.target === this.$refs.field) return;
      const option = this.options[Number(event.key) - 1];
      if (option) this.$emit("chosen", option);
      else if (event.key === "0" && this.other) this.$refs.field.focus();
      else if (event.key.startsWith("Arrow"))
        this.along(event.key === "ArrowDown" || event.key === "ArrowRight" ? 1 : -1);
      else return;
      event.preventDefault();
    },
    along(by) {
      const { buttons } = this.$refs;
      buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length].focus();
    },
  },
};
