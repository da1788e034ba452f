/* The heat map by category or source, the tables by size and type, and the comparison of pairs. */

function breakdownRows() {
  const rows = new Map();
  facts.runs.forEach((run, number) => {
    for (const group of run[state.by]) {
      const key = JSON.stringify([group.source, group.category]);
      if (!rows.has(key)) rows.set(key, { group, figures: facts.runs.map(() => null) });
      rows.get(key).figures[number] = group.figures[state.metric];
    }
  });
  return [...rows.values()];
}

function runHeading(run, number) {
  const head = heading(`run${number}`, run.name);
  head.prepend(swatch(number));
  return head;
}

function drawBreakdown() {
  const table = byId("breakdown-table");
  const head = element("tr", {}, heading("name", state.by === "sources" ? "Source" : "Category"), heading("queries", "Queries"),
    ...facts.runs.map((run, number) => {
      const column = runHeading(run, number);
      if (ranking(state.metric) && run.kind) column.append(fine(kindOf(run)));
      return column;
    }));
  const body = breakdownRows().map(({ group, figures }) => {
    const name = group.category ?? group.source;
    return element("tr", {},
      element("th", { scope: "row", "data-value": name }, name, fine(group.category ? group.source : plural(group.categories, "category", "categories"))),
      element("td", { "data-value": group.samples }, String(group.samples), fine(`${group.anomalous} anomalous`)),
      ...figures.map(heatCell));
  });
  keepSorting(table, () => table.replaceChildren(
    element("caption", { class: "hidden" }, `${facts.figures[state.metric]} by ${state.by === "sources" ? "source" : "category"}, percent`),
    element("thead", {}, head), element("tbody", {}, ...body)));
}

/* A cell whose ground says what its number says: pale for 0, dark for 100. */
function heatCell(figure) {
  const cell = figureCell(figure);
  if (!figure || figure[0] === null) return cell;
  cell.classList.add("heat", `heat-${Math.round(figure[0] * 10)}`);
  cell.querySelector(".fine")?.remove();
  if (figure[1] !== null) cell.title = `${percent(figure[0])}, interval ${percent(figure[1])} to ${percent(figure[2])}`;
  return cell;
}

/* ---- places by size and by type ---- */

function drawPlaces() {
  for (const [id, key, title] of [["sizes-table", "sizes", "Size"], ["types-table", "types", "Type"]]) {
    const table = byId(id);
    const rows = new Map();
    facts.runs.forEach((run, number) => run[key].forEach((row) => {
      if (!rows.has(row.name)) rows.set(row.name, { places: row.places, found: facts.runs.map(() => null) });
      rows.get(row.name).found[number] = row.figures[`iou${state.iou}_recall`];
    }));
    const order = [...rows.keys()];
    keepSorting(table, () => table.replaceChildren(
      element("thead", {}, element("tr", {}, heading("name", title), heading("places", "Places"), ...facts.runs.map(runHeading))),
      element("tbody", {}, ...[...rows].map(([name, { places, found }]) => element("tr", {},
        element("th", { scope: "row", "data-value": key === "sizes" ? order.indexOf(name) : name }, name || "no label"),
        element("td", { "data-value": places }, String(places)), ...found.map(heatCell))))));
  }
}

/* ---- comparison with a leader ---- */

const leaders = () => [...new Set(facts.pairs.map((pair) => pair.leader))];

function leaderNumber() {
  const chosen = Number(state.leader);
  return leaders().includes(chosen) ? chosen : facts.leader;
}

function drawComparison() {
  if (!facts.pairs.length) return;
  const leader = leaderNumber();
  const table = byId("comparison-table");
  const rows = facts.pairs.filter((pair) => pair.leader === leader);
  const columns = facts.compared;
  keepSorting(table, () => table.replaceChildren(
    element("thead", {},
      element("tr", { class: "over" }, element("td"), ...columns.map((name) => element("th", { colspan: 2, scope: "colgroup" }, facts.figures[name]))),
      element("tr", {}, heading("name", "Inspector"), ...columns.flatMap((name) => [
        heading(name, "Difference"), heading(`${name} p`, "p, adjusted")]))),
    element("tbody", {}, ...rows.map((pair) => element("tr", {},
      element("th", { scope: "row", "data-value": facts.runs[pair.run].name }, swatch(pair.run), facts.runs[pair.run].name,
        fine(plural(pair.queries, "common query", "common queries"))),
      ...columns.flatMap((name) => differenceCells(pair.figures[name])))))));
}

const signed = (value) => `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`;

function differenceCells([value, low, high, p, adjusted]) {
  const undefined_ = () => element("td", { class: "undefined", "data-value": "", title: "undefined for one of the two" }, "–");
  if (value === null) return [undefined_(), undefined_()];
  const clear = adjusted !== null && adjusted < 0.05;
  const difference = element("td", { "data-value": value, class: clear ? "clear" : null }, element("span", { class: "number" }, signed(value)));
  if (low !== null) difference.append(fine(`${signed(low)} to ${signed(high)}`));
  if (adjusted === null) return [difference, undefined_()];
  const shown = (number) => (number < 0.001 ? "< 0.001" : number.toFixed(3));
  return [difference, element("td", { "data-value": adjusted, class: clear ? "clear" : null },
    element("span", { class: "number" }, shown(adjusted)), fine(`unadjusted ${shown(p)}`))];
}
