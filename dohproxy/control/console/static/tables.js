// Tables that are brought up to date in place: nothing that has the focus is taken away under the hand. What comes from
// outside becomes text and never markup.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function list(node, texts, none) {
  const wanted = texts.length ? texts : [none];
  while (node.children.length > wanted.length) node.lastChild.remove();
  wanted.forEach((text, number) => {
    if (!node.children[number]) node.append(element("li"));
    setText(node.children[number], text);
  });
}

const MARKS = { well: "● well", mind: "▲ mind", bad: "■ bad" };

export function setMark(node, state) {
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  node.replaceChildren(element("span", { class: `mark ${state}`, textContent: MARKS[state] }));
}

// `columns`: {title, kind: "" | "number" | "what", show(cell, row)}; `key(row)` tells rows apart.
export class Table {
  constructor(place, caption, columns, key, none) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    this.body = element("tbody");
    const titles = columns.map((column) => element("th", { scope: "col", class: column.kind || "", textContent: column.title }));
    const table = element("table", {}, element("caption", { textContent: caption }), element("thead", {}, element("tr", {}, ...titles)), this.body);
    this.whole = element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption }, table);
    this.none = element("p", { textContent: none });
    place.replaceChildren(this.none, this.whole);
    this.show([]);
  }

  show(rows) {
    this.whole.hidden = rows.length === 0;
    this.none.hidden = rows.length !== 0;
    const seen = new Set();
    rows.forEach((row, number) => {
      const key = this.key(row);
      seen.add(key);
      if (!this.rows.has(key)) this.rows.set(key, this.make());
      const made = this.rows.get(key);
      this.columns.forEach((column, place) => column.show(made.children[place], row));
      if (this.body.children[number] !== made) this.body.insertBefore(made, this.body.children[number] || null);
    });
    for (const [key, made] of this.rows) {
      if (seen.has(key)) continue;
      made.remove();
      this.rows.delete(key);
    }
  }

  make() {
    return element("tr", {}, ...this.columns.map((column, place) =>
      place === 0 ? element("th", { scope: "row", class: column.kind || "" }) : element("td", { class: column.kind || "" })));
  }
}

export const text = (title, of, kind = "") => ({ title, kind, show: (cell, row) => setText(cell, String(of(row))) });

// A button in each row; `label(row)` is what it says, and `name(row)` what a screen reader does.
export const button = (title, label, name, act) => ({
  title,
  kind: "",
  show(cell, row) {
    if (!cell.firstChild) cell.append(element("button", { type: "button" }));
    const made = cell.firstChild;
    const says = label(row);
    made.hidden = !says;
    setText(made, says);
    made.setAttribute("aria-label", name(row));
    made.onclick = () => act(row, made);
  },
});
