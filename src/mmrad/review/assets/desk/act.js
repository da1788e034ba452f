/* A button that does a command; it tells its key. */

import { keysOf, signOf } from "./keys.js";

export const Act = {
  props: {
    words: String,
    icon: String,
    command: String,
    pressed: { default: undefined },
    disabled: Boolean,
    kind: String,
  },
  emits: ["act"],
  template: `
    <button type="button" class="desk-act" :class="[kind, { iconic: icon }]" :aria-label="icon ? words : undefined" :aria-pressed="pressed"
            :disabled="disabled" :title="keys.length ? words + ' (' + keys.join(', ') + ')' : words" @click="$emit('act')">
      <q-icon v-if="icon" :name="icon" /><template v-else>{{ words }} <kbd v-if="keys.length">{{ keys[0] }}</kbd></template>
    </button>`,
  computed: {
    keys() {
      return this.command ? keysOf(this.command).map(signOf) : [];
    },
  },
};
