/** What the live pages share: the snapshot in the page, its feed, the ties to elements, the curve and the words about the feed. */

import { t } from "/static/web/format.js";
import { bind } from "/static/web/bind.js";
import { Curve, dense } from "./curve.js";
import { Feed } from "/static/web/feed.js";
import { modeller } from "./models.js";
import { Painter } from "/static/web/painter.js";
import { writersFor } from "./writers.js";

const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

export const root = document.getElementById("monitor");
export const provinces = dataOf("provinces");

/** The minute of the day that the server's clock shows in `zone`. */
export function minuteNow(time, zone) {
  const [hour, minute] = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(time)).split(":");
  return Number(hour) * 60 + Number(minute);
}

/** Says what the feed is: tiles turn grey by the class `stale`, and the words stand in every tile and once for those who listen. */
export function showFeed(state, why, since) {
  for (const pane of root.querySelectorAll(".pane")) pane.classList.toggle("stale", state !== "live");
  root.dataset.feed = state;
  const words = document.getElementById("feed-state");
  if (state === "live") words.textContent = "";
  else if (state === "late") words.textContent = t("Feed late since {time}; trying again by itself", { time: since });
  else words.textContent = why === "signed-out" ? t("You are signed out; sign in again to go on watching") : t("This page is not yours to see any more");
  words.classList.toggle("notice", state !== "live");
  words.classList.toggle("warn", state !== "live");
  if (why === "signed-out") words.append(" ", Object.assign(document.createElement("a"), { href: "/sign-in", textContent: t("Sign in") }));
}

/**
 * Starts a live page. `extend(model)` may add to the model; `painted(model, page)` draws what ties cannot.
 * Answers the page: its feed, writers, curve (if any) and `ask()`, which paints again.
 */
export function startPage({ extend = () => {}, painted = () => {}, column = 0 } = {}) {
  const snapshot = dataOf("snapshot");
  const { identity } = snapshot.document;
  const writers = writersFor(identity);
  const model = modeller(root.dataset.kind, provinces);
  const show = bind(root, writers);
  const page = { writers, identity, column, curve: makeCurve(writers) };
  const painter = new Painter(() => {
    const shown = model(page.feed.live.snapshot);
    extend(shown, page);
    show(shown);
    drawCurve(page, shown);
    painted(shown, page);
    root.dataset.painted = "";
  });
  page.ask = () => painter.ask();
  page.feed = new Feed(snapshot, {
    stream: root.dataset.stream,
    document: root.dataset.document,
    changed: page.ask,
    state: (state, why) => showFeed(state, why, writers.seconds(page.feed.live.snapshot.as_of)),
  });
  followControls(page);
  page.ask();
  return page;
}

function makeCurve(writers) {
  const host = root.querySelector("[data-curve]");
  if (!host || !window.uPlot) return null;
  return new Curve(host, { write: writers.whole, axis: writers.short, words: host.dataset });
}

function drawCurve(page, model) {
  if (!page.curve) return;
  const { minutes, last_week_minutes: before, identity } = model;
  const drawn = [minutes, before, page.column, identity.today ? minuteNow(page.feed.age.time(), identity.zone) : 1439];
  if (drawn.every((part, index) => part === page.drawn?.[index])) return;
  page.drawn = drawn;
  const present = [...Object.keys(minutes), ...Object.keys(before ?? {})].map(Number);
  page.curve.show({
    today: dense(minutes, page.column), before: before && dense(before, page.column), now: drawn[3],
    first: present.length ? Math.min(...present, drawn[3]) : 420,
  });
}

function followControls(page) {
  root.querySelector("[data-zoom]")?.addEventListener("change", (event) => page.curve?.zoom(Number(event.target.value)));
  followDayPicker();
}

export function followDayPicker() {
  const form = root.querySelector("form[data-submit-on-change]");
  form?.addEventListener("change", () => form.reportValidity() && form.submit());
}
