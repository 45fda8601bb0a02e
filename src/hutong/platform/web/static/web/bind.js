/**
 * Ties elements to places in a model, so that a new frame touches only what it changed.
 *
 *   data-text="sum.value" data-as="money"   the text, written by the writer of that name
 *   data-link="/monitor/stores/{gln}"       href, each {place} taken from the model and escaped
 *   data-state="change.value.direction" data-state-name="direction"   data-direction="…" for the style sheet (data-is if not named)
 *   data-bar="share"                        the width of an SVG bar, from 0 to 1
 *   data-show="launch"                      hidden while the place holds nothing
 *   data-rows="last" data-key="id" data-row="sale-row"   one <template> a row, kept by key and moved, never made anew
 *
 * Everything a person typed arrives through textContent; nothing here reads HTML.
 */

const at = (model, path) => (path === "." ? model : path.split(".").reduce((value, key) => value?.[key], model));
const filled = (value) => !(value == null || value === false || value === "" || value === 0 || (Array.isArray(value) && value.length === 0));

const BINDERS = {
  text: (element, path, writers) => {
    const write = writers[element.dataset.as ?? "plain"];
    let shown = element.textContent;
    return (model) => {
      const value = at(model, path);
      const text = value == null ? (element.dataset.none ?? "") : write(value, model);
      if (text !== shown) element.textContent = shown = text;
    };
  },
  link: (element, path) => {
    let shown = element.getAttribute("href");
    return (model) => {
      const link = path.replace(/\{([^}]+)\}/g, (_, place) => encodeURIComponent(at(model, place) ?? ""));
      if (link !== shown) element.setAttribute("href", (shown = link));
    };
  },
  state: (element, path, writers) => {
    const name = element.dataset.stateName ?? "is";
    const write = writers[element.dataset.stateAs ?? "plain"];
    return (model) => {
      const value = String(write(at(model, path) ?? ""));
      if (element.dataset[name] !== value) element.dataset[name] = value;
    };
  },
  bar: (element, path) => {
    let shown;
    return (model) => {
      const width = (Math.min(1, Math.max(0, at(model, path) ?? 0)) * 100).toFixed(1);
      if (width !== shown) element.setAttribute("width", (shown = width));
    };
  },
  show: (element, path) => (model) => {
    const hide = path.startsWith("!") ? filled(at(model, path.slice(1))) : !filled(at(model, path));
    if (element.hidden !== hide) element.hidden = hide;
  },
  rows: (element, path, writers) => {
    const rows = new Rows(element, writers);
    return (model) => rows.show(at(model, path) ?? []);
  },
};

/** One list: rows are kept by key; a new one that comes in at the top says so with the class `arriving`. */
class Rows {
  constructor(host, writers) {
    this.host = host;
    this.writers = writers;
    this.key = host.dataset.key;
    this.template = document.getElementById(host.dataset.row);
    this.known = new Map();
    for (const element of host.querySelectorAll(":scope > [data-id]")) this.#keep(element.dataset.id, element);
  }

  #keep(id, element) {
    const row = { element, update: bind(element, this.writers), item: undefined };
    this.known.set(id, row);
    return row;
  }

  #make(id) {
    const element = this.template.content.firstElementChild.cloneNode(true);
    element.dataset.id = id;
    return this.#keep(id, element);
  }

  show(items) {
    if (items === this.items) return;
    const first = this.items === undefined;
    this.items = items;
    const wanted = new Set(items.map((item) => String(at(item, this.key))));
    for (const [id, row] of this.known) {
      if (!wanted.has(id)) {
        row.element.remove();
        this.known.delete(id);
      }
    }
    const fresh = items.filter((item) => !this.known.has(String(at(item, this.key)))).length;
    let place = this.host.firstElementChild;
    for (const item of items) {
      const id = String(at(item, this.key));
      let row = this.known.get(id);
      if (!row) {
        row = this.#make(id);
        if (!first && fresh <= 4) row.element.classList.add("arriving"); // more than a few at once only flicker
      }
      if (row.item !== item) row.update((row.item = item));
      if (row.element === place) place = place.nextElementSibling;
      else this.host.insertBefore(row.element, place);
    }
  }
}

/** Finds the ties of `root` (those of inner rows belong to their rows) and returns the function that shows a model in them. */
export function bind(root, writers) {
  const ties = [];
  const visit = (element) => {
    for (const [name, make] of Object.entries(BINDERS)) {
      if (element.dataset?.[name] !== undefined) ties.push(make(element, element.dataset[name], writers));
    }
    if (element.dataset?.rows === undefined) for (const child of element.children) visit(child);
  };
  visit(root);
  return (model) => {
    for (const tie of ties) tie(model);
  };
}
