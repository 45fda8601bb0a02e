/** The retailer's page: its stores ranked, narrowed by state, province and city; a few dozen at a time. */

import { provinces, root, startPage } from "./page.js";

const STEP = 40;
const chosen = { status: "", province: "", city: "", most: STEP };

function narrowed(rows) {
  return rows.filter(
    (row) =>
      (!chosen.status || row.status === chosen.status) && (!chosen.province || row.province === chosen.province) && (!chosen.city || row.city_zh === chosen.city),
  );
}

function citiesOf(rows) {
  const cities = new Map();
  for (const row of rows) {
    if (row.province !== chosen.province || !row.city_zh) continue;
    const city = cities.get(row.city_zh) ?? { key: row.city_zh, city_zh: row.city_zh, city_en: row.city_en, stores: 0 };
    city.stores += 1;
    cities.set(row.city_zh, city);
  }
  return [...cities.values()].sort((one, other) => other.stores - one.stores);
}

const page = startPage({
  extend: (model) => {
    const rows = narrowed(model.ranking);
    model.shown = rows.slice(0, chosen.most);
    model.hidden_stores = Math.max(0, rows.length - chosen.most);
    model.place = chosen.province ? provinces.find((unit) => unit.code === chosen.province) : null;
    model.cities = chosen.province ? citiesOf(model.ranking) : [];
  },
  painted: () => press(),
});

function press() {
  for (const button of root.querySelectorAll("[data-status]")) button.setAttribute("aria-pressed", String(button.dataset.status === chosen.status));
  for (const button of root.querySelectorAll("[data-place]")) button.setAttribute("aria-pressed", String(button.dataset.code === chosen.province));
  for (const button of root.querySelectorAll("[data-city]")) button.setAttribute("aria-pressed", String(button.dataset.code === chosen.city));
}

function choose(change) {
  Object.assign(chosen, { most: STEP }, change);
  page.ask();
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { status, code } = button.dataset;
  if (status !== undefined) choose({ status });
  else if (button.matches("[data-place]")) choose({ province: chosen.province === code ? "" : code, city: "" });
  else if (button.matches("[data-city]")) choose({ city: chosen.city === code ? "" : code });
  else if (button.matches("[data-all-places]")) choose({ province: "", city: "" });
  else if (button.matches("[data-more]")) choose({ most: chosen.most + STEP });
});
