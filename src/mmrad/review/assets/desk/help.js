/* All keys, in a dialog. */

import { KEYS, signOf } from "./keys.js";

export const Help = {
  emits: ["close"],
  data: () => ({ groups: [...Map.groupBy(KEYS, (entry) => entry.group)] }),
  template: `
    <dialog ref="dialog" class="desk-help" aria-labelledby="desk-help-title" @close="$emit('close')" @keydown.stop="key">
      <header><h2 id="desk-help-title">Keys</h2><button type="button" class="desk-act" @click="$refs.dialog.close()">Close <kbd>Esc</kbd></button></header>
      <div class="desk-keys">
        <section v-for="[group, entries] in groups"><h3>{{ group }}</h3>
          <dl><template v-for="entry in entries"><dt><kbd v-for="key in entry.keys">{{ signOf(key) }}</kbd></dt><dd>{{ entry.words }}</dd></template></dl>
        </section>
      </div>
    </dialog>`,
  mounted() {
    this.$refs.dialog.showModal();
  },
  methods: {
    signOf,
    key(event) {
      if (event.key === "?") this.$refs.dialog.close();
    },
  },
};
