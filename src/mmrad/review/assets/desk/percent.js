/* The scale, by itself: it changes with every turn of the wheel. */

export const Percent = {
  props: { shared: Object },
  emits: ["act"],
  template: `<button type="button" class="desk-act desk-percent" title="100 % (1)" @click="$emit('act')">{{ Math.round(100 * shared.view.scale) }} %</button>`,
};
