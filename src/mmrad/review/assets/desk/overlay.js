/* What is drawn over the query: its regions, which can be reached by keyboard, and places of other origin. */

import { HANDLES } from "./boxes.js";
import { toScreen } from "./viewport.js";

const HANDLE = 9; // screen pixels
const ROOMY = 26; // a box at least this large on the screen shows all its handles

const onScreen = (view, [x1, y1, x2, y2]) => {
  const [x, y] = toScreen(view, [x1, y1]);
  return { x, y, width: (x2 - x1) * view.scale, height: (y2 - y1) * view.scale };
};

/* Where the handles of a box are on the screen: {handle, x, y}. */
function handlesOf(view, box) {
  const { x, y, width, height } = onScreen(view, box);
  const shown = Math.min(width, height) < ROOMY ? HANDLES.filter((handle) => handle.length === 2) : HANDLES;
  const along = (low, high, length) => (low ? 0 : high ? length : length / 2);
  return shown.map((handle) => ({
    handle,
    x: x + along(handle.includes("w"), handle.includes("e"), width),
    y: y + along(handle.includes("n"), handle.includes("s"), height),
  }));
}

export const Overlay = {
  props: { shared: Object, editor: Object, visible: Boolean, others: Array, tool: Object, editable: Boolean },
  emits: ["select"],
  template: `
    <g v-if="visible && regions.length" role="listbox" aria-label="Boxes" aria-multiselectable="true">
      <g v-for="(region, i) in regions" :key="region.key" role="option" :data-key="region.key" class="desk-box" tabindex="0"
         :aria-selected="isSelected(region)" :aria-label="nameOf(region, i)"
         :class="{ current: region.key === editor.current, marked: isSelected(region) }"
         @focus="region.key === editor.current || $emit('select', region.key)">
        <rect class="under" v-bind="rect(region.box)" /><rect class="stroke" v-bind="rect(region.box)" />
        <text v-bind="tag(region.box)">{{ i + 1 }} {{ region.label }}</text>
      </g>
    </g>
    <g v-for="other in others" :class="['desk-other', other.kind]">
      <rect class="under" v-bind="rect(other.box)" /><rect class="stroke" v-bind="rect(other.box)" />
      <text v-if="other.label" v-bind="tag(other.box, true)">{{ other.label }}</text>
    </g>
    <g v-if="visible && editable && editor.region" class="desk-handles">
      <rect v-for="handle in handles" :key="handle.handle" :x="handle.x - ${HANDLE / 2}" :y="handle.y - ${HANDLE / 2}" width="${HANDLE}" height="${HANDLE}" />
    </g>
    <g v-if="tool" class="desk-tool">
      <template v-if="tool.line"><line class="under" v-bind="line(tool.line)" /><line class="stroke" v-bind="line(tool.line)" /></template>
      <template v-if="tool.box"><rect class="under" v-bind="rect(tool.box)" /><rect class="stroke" v-bind="rect(tool.box)" /></template>
    </g>`,
  computed: {
    regions() {
      return this.editor.shown;
    },
    handles() {
      return handlesOf(this.shared.view, this.regions.find((region) => region.key === this.editor.current).box);
    },
  },
  methods: {
    rect(box) {
      return onScreen(this.shared.view, box);
    },
    tag(box, below = false) {
      const { x, y, height } = this.rect(box);
      return { x: x + 1, y: below ? y + height + 15 : y < 20 ? y + height + 15 : y - 6 };
    },
    line([from, to]) {
      const [[x1, y1], [x2, y2]] = [from, to].map((point) => toScreen(this.shared.view, point));
      return { x1, y1, x2, y2 };
    },
    isSelected(region) {
      return this.editor.selected.includes(region.key);
    },
    nameOf({ box: [x1, y1, x2, y2], label }, i) {
      return `Box ${i + 1} of ${this.regions.length}: ${label || "no label"}, ${x2 - x1} by ${y2 - y1} pixels at ${x1}, ${y1}`;
    },
  },
};
