/* A pane: one picture or several over one another, with a cross-hair and whatever is drawn over it. All panes
   share `shared`: {view, pane, cursor}, in pixels of the query. */

import { laidInto, toImage, toScreen, zoomed } from "./viewport.js";

const PIXELATED_FROM = 2; // screen pixels an image pixel

export const Pane = {
  props: { name: String, title: String, frame: Array, layers: Array, shared: Object },
  emits: ["grab", "hover", "whole", "resized"],
  data: () => ({ natural: {}, failed: {}, tries: 0 }),
  template: `
    <div class="desk-pane" ref="root" tabindex="0" role="group" :aria-label="name" :data-name="title"
         @wheel.prevent="wheel" @pointerdown="$emit('grab', $event)" @pointermove="move" @pointerleave="leave"
         @dblclick="$emit('whole')" @contextmenu.prevent @auxclick.prevent>
      <img v-for="layer in layers" :key="layer.url + tries" class="desk-layer" :class="[layer.kind, { pixelated, off: layer.off }]"
           :src="layer.url" :style="place(layer)" :alt="layer.off ? '' : layer.alt" draggable="false" decoding="sync"
           @load="loaded(layer, $event)" @error="failed = { ...failed, [layer.url]: true }">
      <svg class="desk-over" :aria-hidden="!$slots.default">
        <slot />
        <g v-if="cross" class="desk-cross">
          <template v-for="kind in ['under', 'stroke']">
            <line :class="kind" :x1="cross[0]" :x2="cross[0]" y1="0" y2="100%" />
            <line :class="kind" x1="0" x2="100%" :y1="cross[1]" :y2="cross[1]" />
          </template>
        </g>
      </svg>
      <p v-if="broken" class="desk-broken" role="alert">This picture did not load.
        <button type="button" @pointerdown.stop @click="again">Try again</button></p>
    </div>`,
  computed: {
    pixelated() {
      return this.shared.view.scale > PIXELATED_FROM;
    },
    cross() {
      return this.shared.cursor && toScreen(this.shared.view, this.shared.cursor);
    },
    broken() {
      return this.layers.some((layer) => this.failed[layer.url]);
    },
  },
  mounted() {
    this.observer = new ResizeObserver(
      ([
        {
          contentRect: { width, height },
        },
      ]) => this.$emit("resized", [width, height]),
    );
    this.observer.observe(this.$refs.root);
  },
  beforeUnmount() {
    this.observer.disconnect();
  },
  methods: {
    /* A picture has the frame's pixels, or is laid into the frame as it is. */
    place(layer) {
      const { view } = this.shared;
      const size = layer.free ? (this.natural[layer.url] ?? this.frame) : this.frame;
      const inner = laidInto(this.frame, size);
      const [x, y] = toScreen(view, [inner.x, inner.y]);
      return {
        width: `${size[0]}px`,
        height: `${size[1]}px`,
        transform: `translate(${x}px, ${y}px) scale(${inner.scale * view.scale})`,
      };
    },
    loaded(layer, { target }) {
      this.natural = { ...this.natural, [layer.url]: [target.naturalWidth, target.naturalHeight] };
    },
    again() {
      this.failed = {};
      this.tries += 1;
    },
    /* Where an event is in the pane. */
    at(event) {
      const { left, top } = this.$refs.root.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    },
    wheel(event) {
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
      const factor = Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) / 400);
      const { view, pane } = this.shared;
      this.shared.view = zoomed(view, pane, this.frame, view.scale * factor, this.at(event));
      this.move(event);
    },
    move(event) {
      const point = this.at(event);
      this.shared.cursor = toImage(this.shared.view, point);
      this.$emit("hover", point);
    },
    leave() {
      this.shared.cursor = null;
    },
    focus() {
      this.$refs.root.focus({ preventScroll: true });
    },
  },
};
