// Without this script every table is whole and in its first order; with it, headings become buttons that sort.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  const headings = [...table.querySelectorAll("thead th")];
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const next = { null: "ascending", ascending: "descending", descending: null }[heading.getAttribute("aria-sort")];
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) heading.setAttribute("aria-sort", next);
      const compare = (a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        if (x === "" || y === "") return (x === "") - (y === ""); // a missing number comes last, whichever way
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
        return next === "ascending" ? order : -order;
      };
      body.append(...(next ? [...first].sort(compare) : first));
    });
  });
}
for (const form of document.querySelectorAll("form[data-filters]")) {
  const rows = [...document.getElementById(form.dataset.filters).tBodies[0].rows];
  const choices = [...form.querySelectorAll("select")];
  const show = () => {
    const fits = (row) => choices.every((c) => c.value === "" || row.dataset[c.dataset.filter] === c.value);
    rows.forEach((row) => (row.hidden = !fits(row)));
    form.querySelector("output").value = `${rows.filter(fits).length} of ${rows.length} rows`;
  };
  choices.forEach((choice) => choice.addEventListener("change", show));
  form.hidden = false;
  show();
}
// What is folded on the screen is printed all the same.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
