/* What was decided of the sample before, and what is known of it. */

import { Act } from "./act.js";
import { decisionWords } from "./words.js";

export const Reviews = {
  components: { Act },
  props: { sample: Object, shown: Object, editable: Boolean },
  emits: ["show", "take"],
  template: `
    <section v-if="sample.history.length" class="desk-part" aria-labelledby="desk-reviews-title">
      <header><h2 id="desk-reviews-title">Decisions</h2></header>
      <ul class="desk-reviews">
        <li v-for="review in sample.history"><b>{{ review.reviewer }}</b> {{ words(review) }}
          <time class="desk-soft" :datetime="review.at">{{ when(review.at) }}</time>
          <span class="desk-row"><Act words="Show" :pressed="shown === review" @act="$emit('show', shown === review ? null : review)" />
          <Act v-if="editable && review.outcome === 'keep'" words="Use these boxes" @act="$emit('take', review)" /></span></li>
      </ul>
    </section>
    <section class="desk-part" aria-labelledby="desk-facts-title">
      <header><h2 id="desk-facts-title">Sample</h2></header>
      <dl class="desk-facts"><template v-for="[name, value] in facts"><dt>{{ name }}</dt><dd>{{ value }}</dd></template></dl>
    </section>`,
  computed: {
    facts() {
      const { sample } = this;
      const known = [
        ["source", sample.source],
        ["category", sample.category],
        ["split", sample.split],
        ["size", `${sample.size_wh.join(" × ")} pixels`],
        ["licence", sample.licence],
        ["findings", sample.findings.map((finding) => finding.replaceAll("_", " ")).join(", ")],
      ];
      return known.filter(([, value]) => value);
    },
  },
  methods: {
    words: decisionWords,
    when: (at) => new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }),
  },
};
