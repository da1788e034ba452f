// A grid of samples: only the rows in sight are in the document, however many there are.

import { CELL_HEIGHT, columnsFor, moved, rowsInSight, scrolledTo } from "./layout.js";
import { Pages } from "./pages.js";
import { Shapes } from "./shapes.js";
import { words } from "./words.js";

const SETTLED = 70; // milliseconds without scrolling after which pages are fetched

export const Grid = {
  components: { Shapes },
  props: { url: String, prefix: String, href: String },
  emits: ["counted", "opened"],
  template: `
<div class="grid" :class="{ busy }" :aria-busy="busy">
  <p v-if="problem" class="grid-problem" role="alert">{{ problem }}</p>
  <p v-else-if="total === 0" class="grid-empty">No sample is like this. Take something out of the filter.</p>
  <div class="grid-view" ref="view" role="grid" aria-label="Samples" :aria-rowcount="rows" :aria-colcount="columns"
       @scroll.passive="scrolled" @keydown="pressed">
    <div class="grid-space" role="presentation" :style="{ height: rows * cellHeight + 'px' }">
      <div v-for="row in drawn" :key="row" class="grid-row" role="row" :aria-rowindex="row + 1"
           :style="{ transform: 'translateY(' + row * cellHeight + 'px)' }">
        <div v-for="cell in cellsOf(row)" :key="cell.index" class="grid-cell" role="gridcell"
             :style="{ width: 100 / columns + '%' }">
          <a class="sample" :href="cell.sample && href ? prefix + href + encodeURIComponent(cell.sample.id) : null"
             :tabindex="cell.index === active ? 0 : -1" :data-index="cell.index" :aria-label="cell.name"
             @focus="active = cell.index" @click="clicked($event, cell)" @keydown.enter="clicked($event, cell)">
            <template v-if="cell.sample">
              <span class="sample-picture">
                <img loading="lazy" alt="" :src="prefix + cell.sample.thumb">
                <Shapes :size="cell.sample.size_wh" :layers="cell.layers" />
                <span v-for="badge in cell.badges" class="badge" :class="badge.kind">{{ badge.text }}</span>
              </span>
              <span class="sample-what">{{ cell.what }}</span>
              <span class="sample-where">{{ cell.sample.category }} · {{ cell.sample.source }}</span>
            </template>
          </a>
        </div>
      </div>
    </div>
  </div>
</div>`,
  data: () => ({ top: 0, width: 0, height: 0, total: null, active: 0, busy: true, problem: "", fresh: 0 }),
  computed: {
    cellHeight: () => CELL_HEIGHT,
    columns() {
      return columnsFor(this.width);
    },
    rows() {
      return Math.ceil((this.total ?? 0) / this.columns);
    },
    sight() {
      return rowsInSight(this.top, this.height, this.rows);
    },
    drawn() {
      const [first, last] = this.sight;
      const rows = Array.from({ length: Math.max(0, last - first) }, (_, step) => first + step);
      // The cell that has the focus stays in the document, or the focus would be lost.
      const kept = Math.floor(this.active / this.columns);
      return rows.includes(kept) || kept >= this.rows ? rows : [...rows, kept];
    },
  },
  watch: {
    url() {
      this.ask();
    },
    sight() {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.fetch(), SETTLED);
    },
  },
  mounted() {
    this.watcher = new ResizeObserver(() => this.measure());
    this.watcher.observe(this.$refs.view);
    this.measure();
    this.ask();
  },
  unmounted() {
    this.watcher.disconnect();
    clearTimeout(this.settling);
    this.pages?.close();
  },
  methods: {
    measure() {
      this.width = this.$refs.view.clientWidth;
      this.height = this.$refs.view.clientHeight;
    },
    ask() {
      this.next?.close();
      this.busy = true;
      this.next = new Pages(this.prefix + this.url, () => this.came(), (text) => this.failed(text));
      this.next.want(0, this.columns * Math.ceil(this.height / CELL_HEIGHT));
    },
    came() {
      if (this.next) this.begin();
      this.fresh += 1;
    },
    begin() {
      this.pages?.close();
      this.pages = this.next;
      this.next = null;
      Object.assign(this, { total: this.pages.total, busy: false, problem: "", active: 0, top: 0 });
      this.$refs.view.scrollTop = 0;
      this.$emit("counted", this.pages.total);
    },
    failed(text) {
      Object.assign(this, { busy: false, problem: text });
    },
    fetch() {
      const [first, last] = this.sight;
      this.pages?.want(first * this.columns, Math.min(this.total, last * this.columns));
    },
    scrolled() {
      this.top = this.$refs.view.scrollTop;
    },
    cellsOf(row) {
      this.fresh; // drawn again when a page has come
      const first = row * this.columns;
      const count = Math.min(this.columns, this.total - first);
      return Array.from({ length: count }, (_, step) => {
        const sample = this.pages.at(first + step);
        return { index: first + step, sample, ...words(sample) };
      });
    },
    clicked(event, cell) {
      if (this.href || !cell.sample) return;
      event.preventDefault();
      this.$emit("opened", cell.sample.id);
    },
    async pressed(event) {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const perPage = Math.max(1, Math.floor(this.height / CELL_HEIGHT));
      const target = moved(event.key, this.active, this.columns, perPage, this.total);
      if (target === null) return;
      event.preventDefault();
      this.active = target;
      this.$refs.view.scrollTop = scrolledTo(Math.floor(target / this.columns), this.top, this.height);
      this.scrolled();
      await this.$nextTick();
      this.$refs.view.querySelector(`[data-index="${target}"]`)?.focus({ preventScroll: true });
    },
  },
};
