// Where the cells of the grid lie: pure functions of sizes in CSS pixels.

const NARROWEST = 168;
export const CELL_HEIGHT = 212;
const MARGIN_ROWS = 2;

/** How many cells stand side by side. */
export const columnsFor = (width) => Math.max(1, Math.floor(width / NARROWEST));

/** First and one past the last row to draw: those in sight and a few beyond. */
export function rowsInSight(scrollTop, height, rows) {
  const first = Math.floor(scrollTop / CELL_HEIGHT) - MARGIN_ROWS;
  const last = Math.ceil((scrollTop + height) / CELL_HEIGHT) + MARGIN_ROWS;
  return [Math.max(0, first), Math.min(rows, last)];
}

/** Where a key moves from a cell, or null when the key moves nowhere. */
export function moved(key, index, columns, perPage, total) {
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    PageUp: -perPage * columns,
    PageDown: perPage * columns,
    Home: -total,
    End: total,
  };
  if (!(key in steps) || !total) return null;
  const target = index + steps[key];
  const leaves = target < 0 || target >= total;
  // A single arrow stays where it is at an edge; a longer way goes as far as there is.
  if (leaves && key.startsWith("Arrow")) return index;
  return Math.min(total - 1, Math.max(0, target));
}

/** What must be scrolled to so that a row is wholly in sight. */
export function scrolledTo(row, scrollTop, height) {
  const top = row * CELL_HEIGHT;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + CELL_HEIGHT - height);
}
