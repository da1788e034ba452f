// One picture, large, with named layers of boxes and their labels.

import { Shapes } from "./shapes.js";

export const Picture = {
  components: { Shapes },
  props: { prefix: String, image: String, size: Array, layers: Array, name: String },
  template: `
<figure class="picture">
  <div class="picture-frame" :style="{ aspectRatio: size[0] + ' / ' + size[1], '--shape': size[0] / size[1] }">
    <img :src="prefix + image" :alt="name">
    <Shapes :size="size" :layers="drawn" />
    <template v-for="layer in layers">
      <span v-for="region in layer.regions" class="picture-label" :class="layer.kind" :style="place(region.box, layer)">
        {{ region.label }}
      </span>
    </template>
  </div>
  <figcaption v-if="layers.length">
    <span v-for="layer in layers" class="picture-key">
      <span class="mark" :class="layer.kind" aria-hidden="true"></span>
      {{ layer.name }}: {{ layer.regions.length || "no" }} {{ layer.regions.length === 1 ? "box" : "boxes" }}
    </span>
  </figcaption>
</figure>`,
  computed: {
    drawn() {
      return this.layers.map((layer) => ({ kind: layer.kind, boxes: layer.regions.map((region) => region.box) }));
    },
  },
  methods: {
    // The labels of the first layer stand on its boxes, those of the others hang below, so that all can be read.
    place(box, layer) {
      const [width, height] = this.size;
      const number = this.layers.indexOf(layer);
      const left = `${(100 * box[0]) / width}%`;
      return number
        ? { left, top: `${(100 * box[3]) / height}%`, marginTop: `${1.3 * (number - 1)}em` }
        : { left, bottom: `${100 - (100 * box[1]) / height}%` };
    },
  },
};
