/* The list of boxes beside the picture. */

import { Combobox } from "./combobox.js";

export const Regions = {
  components: { Combobox },
  props: { editor: Object, labels: Array, naming: Number, editable: Boolean, proposed: Object },
  emits: ["select", "name", "named", "remove", "accept", "acceptAll", "close"],
  template: `
    <section class="desk-part" aria-labelledby="desk-boxes-title">
      <header><h2 id="desk-boxes-title">Boxes</h2><span class="desk-soft">{{ editor.regions.length || "none: normal" }}</span></header>
      <ol class="desk-list">
        <li v-for="(region, i) in editor.regions" :key="region.key"
            :class="{ current: region.key === editor.current, marked: editor.selected.includes(region.key) }">
          <Combobox v-if="naming === region.key" :value="region.label" :options="labels" :name="'Label of box ' + (i + 1)"
                    @done="$emit('named', region.key, $event)" @cancel="$emit('named', region.key, null)" />
          <button v-else type="button" class="desk-region" :aria-label="'Box ' + (i + 1) + ', ' + (region.label || 'no label')"
                  @click="$emit('select', region.key)" @dblclick="editable && $emit('name', region.key)">
            <span class="number">{{ i + 1 }}</span>
            <span class="label" :class="{ missing: !region.label }">{{ region.label || "no label" }}
              <span v-if="region.key === editor.current" class="coordinates">{{ placeOf(region) }}</span></span>
          </button>
          <template v-if="editable">
            <button type="button" class="desk-icon" :aria-label="'Label box ' + (i + 1)" title="Label (L)"
                    @click="$emit('name', region.key)"><q-icon name="edit" /></button>
            <button type="button" class="desk-icon" :aria-label="'Delete box ' + (i + 1)" title="Delete (Delete)"
                    @click="$emit('remove', region.key)"><q-icon name="close" /></button>
          </template>
        </li>
      </ol>
      <div v-if="proposed" class="desk-proposed" role="group" :aria-label="'Proposed by ' + proposed.name">
        <p>{{ proposed.regions.length ? "Proposed by " : "Nothing proposed by " }}{{ proposed.name }}</p>
        <ol v-if="proposed.regions.length" class="desk-list">
          <li v-for="(region, i) in proposed.regions">
            <span class="desk-region"><span class="label">{{ region.label || "no label" }}
              <span class="coordinates">{{ placeOf(region) }}</span></span></span>
            <button type="button" class="desk-icon" :aria-label="'Accept proposal ' + (i + 1)"
                    @click="$emit('accept', i)"><q-icon name="check" /></button>
          </li>
        </ol>
        <div class="desk-row">
          <button v-if="proposed.regions.length" type="button" class="desk-act" @click="$emit('acceptAll')">
            Accept all <kbd>Shift+P</kbd></button>
          <button type="button" class="desk-act" @click="$emit('close')">Close <kbd>Esc</kbd></button></div>
      </div>
    </section>`,
  methods: {
    placeOf: ({ box, mask }) => box.join(" ") + (mask ? " · mask" : ""),
  },
};
