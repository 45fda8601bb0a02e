/** A store's payments as they happen: the sums, what is not settled, and the list, newest first. */

import { ask } from "/static/web/ask.js";
import { bind } from "/static/web/bind.js";
import { Feed } from "/static/web/feed.js";
import { clock } from "/static/web/figures.js";
import { t, toast } from "/static/web/format.js";
import { Painter } from "/static/web/painter.js";
import { call } from "./api.js";
import { STOPPED, UNCLAIMED_AFTER, writersFor } from "./words.js";

const OPEN = ["sending", "unknown", "waiting", "cancelling", "refunding"];
const STOPPABLE = ["sending", "unknown", "waiting"];
const STANDS_OUT = 600_000;

const root = document.getElementById("payments");
const snapshot = JSON.parse(document.getElementById("snapshot").textContent);
const { identity } = snapshot.document;
const show = bind(root, writersFor(identity));
const none = { count: 0, amount: 0 };

const added = (totals, states) =>
  states.map((state) => totals[state] ?? none).reduce((sum, each) => ({ count: sum.count + each.count, amount: sum.amount + each.amount }), none);

/** Rows that say how long are new objects each second, so that their words move on; the others stay the same. */
const kept = new Map();
function timed(row, now) {
  const moves = OPEN.includes(row.state) || (STOPPED.includes(row.state) && now - Date.parse(row.changed_at) < STANDS_OUT);
  const turns = row.state === "paid" && !row.claimed && now - Date.parse(row.changed_at) > UNCLAIMED_AFTER;
  const before = kept.get(row.id);
  if (!moves && before?.row === row && before.turns === turns) return before.shown;
  const shown = { ...row, now, stoppable: STOPPABLE.includes(row.state), standing: moves };
  kept.set(row.id, { row, turns, shown });
  return shown;
}

function model({ document: held, as_of }, now) {
  const { totals } = held;
  const list = Object.values(held.rows).map((row) => timed(row, now)).sort((one, other) => (one.id < other.id ? 1 : -1));
  for (const id of kept.keys()) if (!(id in held.rows)) kept.delete(id);
  return {
    as_of,
    list,
    standing: list.filter((row) => row.standing),
    sums: {
      paid: added(totals, ["paid"]), open: added(totals, ["sending", "waiting"]), unknown: added(totals, ["unknown", "cancelling", "refunding"]),
      cancelled: added(totals, ["cancelled"]), unpaid: added(totals, ["declined", "closed"]), refunded: held.refunded, unclaimed: held.unclaimed,
    },
  };
}

function showFeed(state, why, since) {
  root.classList.toggle("stale", state !== "live");
  root.dataset.feed = state;
  const said = document.getElementById("feed-state");
  if (state === "live") said.textContent = "";
  else if (state === "late") said.textContent = t("Feed late since {time}; trying again by itself", { time: since });
  else said.textContent = why === "signed-out" ? t("You are signed out; sign in again to go on watching") : t("This page is not yours to see any more");
  for (const name of ["notice", "warn"]) said.classList.toggle(name, state !== "live");
  if (why === "signed-out") said.append(" ", Object.assign(document.createElement("a"), { href: "/sign-in", textContent: t("Sign in") }));
}

const painter = new Painter(() => {
  show(model(feed.live.snapshot, feed.age.time()));
  root.dataset.painted = "";
});
const feed = new Feed(snapshot, {
  stream: root.dataset.stream,
  document: root.dataset.document,
  changed: () => painter.ask(),
  state: (state, why) => showFeed(state, why, clock(feed.live.snapshot.as_of, identity.zone, true)),
});
painter.ask();
setInterval(() => painter.ask(), 1000);

root.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-stop]") : null;
  if (!button) return;
  const id = button.closest("[data-id]").dataset.id;
  if (!(await ask(t("Stop this payment? If the customer has paid meanwhile, the money goes back by itself.")))) return;
  button.disabled = true;
  try {
    await call("POST", `/v1/payments/${id}:cancel`);
    toast(t("It is being stopped"));
  } catch (error) {
    toast(error.message, "bad");
  }
  button.disabled = false;
});
