// Boxes over a picture that is shown as large as fits: the same rule for the drawing as `object-fit: contain`.
// Dark halos lie below all lines, so that of two boxes in one place both can be seen.

export const Shapes = {
  props: { size: Array, layers: Array },
  template: `
<svg class="shapes" aria-hidden="true" preserveAspectRatio="xMidYMid meet" :viewBox="'0 0 ' + size[0] + ' ' + size[1]">
  <template v-for="pass in ['halo', 'line']">
    <template v-for="layer in layers">
      <rect v-for="box in layer.boxes" :class="pass === 'halo' ? pass : layer.kind" :x="box[0]" :y="box[1]"
            :width="box[2] - box[0]" :height="box[3] - box[1]" />
    </template>
  </template>
</svg>`,
};
