/** What the pages show of each document beside its own figures: comparisons, shares, rankings; models.py does the same for the first paint. */

const TROUBLE = ["silent", "low", "steady", "quiet", "closed"];
const LEVELS = 6;
const COMPARED = ["value", "tickets", "average_ticket", "items_a_basket"];

/** How `now` differs from `before`: direction and text, so that colour never says it alone. */
export function change(now, before) {
  if (now == null || !before) return { direction: "none", text: "" };
  const tenths = Math.trunc(((now - before) / Math.abs(before)) * 1000 + (now >= before ? 0.5 : -0.5));
  if (tenths === 0) return { direction: "flat", text: "= 0%" };
  const size = Math.abs(tenths);
  const text = size >= 10_000 ? ">999" : size >= 1000 ? String(Math.floor((size + 5) / 10)) : `${Math.floor(size / 10)}.${size % 10}`;
  return tenths > 0 ? { direction: "up", text: `▲ +${text}%` } : { direction: "down", text: `▼ −${text}%` };
}

const share = (value, most) => (most > 0 ? Math.max(0, value) / most : 0);
const byCode = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

function ranked(rows, key) {
  const most = rows.reduce((highest, row) => Math.max(highest, row.value), 0);
  return rows.map((row, index) => ({ ...row, key: row[key].code ?? row[key], rank: index + 1, share: share(row.value, most) }));
}

function shares(cells) {
  const rows = Object.entries(cells).map(([code, cell]) => ({ ...cell, code, gln: code }));
  return ranked(rows.sort((one, other) => other.value - one.value || byCode(one.code, other.code)), "code");
}

function namedPlaces(cells, provinces) {
  const names = new Map(provinces.map((unit) => [unit.code, unit]));
  const named = Object.entries(cells).map(([code, cell]) => {
    const unit = names.get(code);
    return [code, { ...cell, name_zh: unit?.name_zh ?? "", name_en: unit?.name_en ?? "" }];
  });
  return shares(Object.fromEntries(named));
}

/** Unit to its value and shade: 0 for none, else 1 to LEVELS by the square root of its share of the largest. */
function tileMap(units, cells) {
  const most = Object.values(cells).reduce((highest, cell) => Math.max(highest, cell.value), 0);
  const shades = units.map(({ code }) => {
    const value = cells[code]?.value ?? 0;
    return [code, { value, level: value > 0 ? Math.ceil(LEVELS * Math.sqrt(value / most)) : 0 }];
  });
  return Object.fromEntries(shades);
}

function keyed(rows) {
  const seen = new Map();
  return rows.toReversed().map((row) => {
    const place = [row.completed_at, row.store.code, row.product?.code ?? "", row.amount ?? row.value].join("/");
    seen.set(place, (seen.get(place) ?? 0) + 1);
    return { ...row, key: `${place}/${seen.get(place)}` };
  }).reverse();
}

/** Keeps the answer of `make` while what it was made from is the same object, so that unchanged sections stay unchanged. */
function kept(make) {
  let from = [];
  let made;
  return (...parts) => {
    if (parts.length !== from.length || parts.some((part, index) => part !== from[index])) [from, made] = [parts, make(...parts)];
    return made;
  };
}

function store() {
  const products = kept((rows) => ranked(rows, "product"));
  return (model) => ({
    products: products(model.products),
    tills: Object.entries(model.tills).sort(([one], [other]) => byCode(one, other)).map(([code, till]) => ({ ...till, code, as_of: model.as_of })),
    returned: model.today.tickets ? model.today.returns / model.today.tickets : null,
  });
}

function brand() {
  const parts = {
    map: kept((cells, provinces) => tileMap(provinces, cells)), retailers: kept(shares), places: kept(namedPlaces),
    products: kept((rows) => ranked(rows, "product")), stores: kept((rows) => ranked(rows, "gln")), recent: kept(keyed),
  };
  return (model, provinces) => ({
    map: parts.map(model.provinces, provinces),
    places: parts.places(model.provinces, provinces),
    retailers: parts.retailers(model.retailers),
    products: parts.products(model.products),
    stores: parts.stores(model.stores),
    recent: parts.recent(model.recent),
  });
}

function retailer() {
  const ranking = kept((stores, minute) =>
    Object.entries(stores)
      .map(([gln, cell]) => ({ ...cell, gln, as_of: minute }))
      .sort((one, other) => TROUBLE.indexOf(one.status) - TROUBLE.indexOf(other.status) || other.value - one.value || byCode(one.gln, other.gln)),
  );
  const places = kept((rows, provinces) => {
    const cells = {};
    for (const cell of rows) {
      const place = (cells[cell.province] ??= { value: 0, tickets: 0, stores: 0, trouble: 0 });
      place.value += cell.value;
      place.tickets += cell.tickets;
      place.stores += 1;
      place.trouble += cell.status === "silent" || cell.status === "low" ? 1 : 0;
    }
    return namedPlaces(cells, provinces);
  });
  return (model, provinces) => {
    const rows = ranking(model.stores, `${model.as_of.slice(0, 16)}:00Z`); // what is said of a store changes with the minute
    return {
      ranking: rows,
      store_count: rows.length,
      statuses: Object.fromEntries(TROUBLE.map((status) => [status, model.statuses[status] ?? 0])),
      places: places(rows, provinces),
    };
  };
}

function network() {
  const parts = {
    map: kept((cells) => tileMap(Object.keys(cells).map((code) => ({ code })), cells)), retailers: kept(shares),
    brands: kept((rows) => ranked(rows, "brand")), stores: kept((rows) => ranked(rows, "gln")), recent: kept(keyed),
  };
  return (model) => ({
    map: parts.map(model.provinces),
    trading_units: Object.values(model.provinces).filter((cell) => cell.trading).length,
    trading_stores: Object.values(model.provinces).reduce((sum, cell) => sum + cell.stores, 0),
    retailers: parts.retailers(model.retailers),
    brands: parts.brands(model.brands),
    stores: parts.stores(model.stores),
    recent: parts.recent(model.recent),
  });
}

/** Makes the function from a snapshot to the model of a kind of page. */
export function modeller(kind, provinces) {
  const extend = { store, brand, retailer, network }[kind]();
  return ({ document, as_of }) => {
    const model = { ...document, as_of };
    if (document.last_week) {
      const { figures, whole_day_value: wholeDay } = document.last_week;
      const alike = document.alike ? document.alike.figures : document.today;
      model.change = Object.fromEntries(COMPARED.map((figure) => [figure, change(alike[figure], figures[figure])]));
      model.of_whole_day = wholeDay > 0 ? alike.value / wholeDay : null;
    }
    return Object.assign(model, extend(model, provinces));
  };
}

/** The model of a place: its cities or stores with their shares of the first. */
export function placeModel(place) {
  return {
    ...place,
    average: place.tickets ? Math.floor((2 * place.value + place.tickets) / (2 * place.tickets)) : null,
    cities: ranked(place.cities, "code"),
    stores: ranked(place.stores, "gln"),
  };
}
