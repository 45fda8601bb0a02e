/** The big screen: the rolling counter, the tickets of the last whole minute, and sales passing at a pace that can be read. */

import { Counter } from "./counter.js";
import { minuteNow, root, startPage } from "./page.js";

const PACE_MILLISECONDS = 700;
const MOST = 20;

/** Lets new sales through one by one; where they come faster than can be read, the newest go first and others are left out. */
class Pace {
  constructor(ask) {
    this.shown = null;
    this.waiting = [];
    setInterval(() => this.#next() && ask(), PACE_MILLISECONDS);
  }

  take(rows) {
    if (this.shown === null) {
      this.shown = rows;
      this.known = new Set(rows.map((row) => row.key));
      return this.shown;
    }
    for (const row of rows.toReversed()) {
      if (!this.known.has(row.key)) this.waiting.push(row);
      this.known.add(row.key);
    }
    if (this.known.size > 2000) this.known = new Set([...this.shown, ...this.waiting, ...rows].map((row) => row.key));
    this.waiting = this.waiting.slice(-3);
    return this.shown;
  }

  #next() {
    if (document.hidden || !this.waiting.length) return false;
    this.shown = [this.waiting.shift(), ...this.shown].slice(0, MOST);
    return true;
  }
}

let page = null;
let pace = null;
const counter = new Counter(root.querySelector("[data-counter]"));

page = startPage({
  extend: (model, self) => {
    pace ??= new Pace(() => page?.ask());
    model.recent = pace.take(model.recent);
    const minute = model.identity.today ? minuteNow(self.feed.age.time(), model.identity.zone) - 1 : null;
    model.rate = minute === null ? null : (model.minutes[minute]?.[1] ?? 0);
  },
  painted: (model, self) => counter.show(self.writers.whole(model.today.value)),
});
