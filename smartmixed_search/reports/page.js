// Without scripts the page shows everything, in the order in which it was written.

// In a frame a link to a place on the page leads nowhere (MLflow's is sandboxed) or away (a notebook's has no address).
for (const link of document.querySelectorAll('a[href^="#"]')) {
  link.addEventListener("click", (event) => {
    if (self !== top) event.preventDefault();
    const target = document.getElementById(link.hash.slice(1));
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });
}

// A click on a column's head sorts its table.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return isNaN(a) || isNaN(b) ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(key(a, column), key(b, column)));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}

// Pointing at a name in a legend fades what is not its own, in all figures; a click keeps it so.
const series = [...document.querySelectorAll("g[data-series]")];
const keys = [];
let kept = null;
const pointOut = (name) => {
  for (const drawn of series) drawn.classList.toggle("faded", name !== null && drawn.dataset.series !== name);
};
for (const item of document.querySelectorAll(".legend li")) {
  const name = item.dataset.series;
  const button = document.createElement("button");
  button.append(...item.childNodes);
  item.append(button);
  keys.push([name, button]);
  button.addEventListener("mouseenter", () => pointOut(name));
  button.addEventListener("mouseleave", () => pointOut(kept));
  button.addEventListener("click", () => {
    kept = kept === name ? null : name;
    pointOut(kept);
    for (const [other, key] of keys) key.setAttribute("aria-pressed", String(other === kept));
  });
  button.setAttribute("aria-pressed", "false");
}

// A filter of architectures hides rows and figures; what was computed over all of them stays.
const ofArchitecture = [...document.querySelectorAll("[data-architecture]")];
const architectures = new Set(ofArchitecture.map((element) => element.dataset.architecture));
if (architectures.size > 1) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const found = document.createElement("span");
  label.className = "filter";
  label.append("Show only architectures with ", input, " ", found);
  input.type = "search";
  input.placeholder = [...architectures][0];
  found.setAttribute("role", "status");
  document.querySelector("nav").append(label);
  input.addEventListener("input", () => {
    const wanted = input.value.trim();
    for (const element of ofArchitecture) element.hidden = !element.dataset.architecture.includes(wanted);
    const shown = [...architectures].filter((name) => name.includes(wanted)).length;
    found.textContent = wanted ? `${shown} of ${architectures.size}` : "";
  });
}
