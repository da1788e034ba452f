"use strict";

const form = document.getElementById("controls");
const cases = [...document.querySelectorAll(".pair")];
const count = document.getElementById("count");

function update() {
  const wanted = Object.fromEntries(new FormData(form));
  let shown = 0;
  for (const item of cases) {
    const { outcome, category, failed } = item.dataset;
    item.hidden =
      (wanted.differing && outcome !== "first" && outcome !== "second") ||
      (wanted.category && category !== wanted.category) ||
      (wanted.failed && !failed.split(" ").includes(wanted.failed));
    if (!item.hidden) shown += 1;
  }
  count.textContent = `${shown} of ${cases.length} samples`;
}

form.hidden = false;
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
update();
