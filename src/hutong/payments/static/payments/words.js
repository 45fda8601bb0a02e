/** How payments are written for the person at the screen: states, methods and spans; the first paint's half is pages.py. */

import { clock, money, number } from "/static/web/figures.js";
import { locale, t } from "/static/web/format.js";

export const words = JSON.parse(document.getElementById("words")?.textContent || "{}");

const UNITS = locale === "zh" ? { day: "天", hour: "小时", minute: "分钟", second: "秒" } : { day: "d", hour: "h", minute: "min", second: "s" };

/** A span roughly, as `duration` of the server writes it. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds >= 86_400) return `${Math.floor(seconds / 86_400)} ${UNITS.day}`;
  if (seconds >= 3_600) return `${Math.floor(seconds / 3_600)} ${UNITS.hour}`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)} ${UNITS.minute}`;
  return `${seconds} ${UNITS.second}`;
}

const refundedWord = (row) => (row.refunded >= row.amount ? words.refunded.whole : words.refunded.part);

/** Kind and word of a payment's state, refunds included. */
export function stateOf(row) {
  const { kind, word } = words.states[row.state] ?? { kind: "idle", word: row.state };
  if (row.state !== "paid" || !row.refunded) return { kind, word };
  return { kind: row.refunded >= row.amount ? "idle" : "good", word: refundedWord(row) };
}

/** What the cashier should do, in the page's language (the API answers in that of whoever is signed in). */
export const messageOf = (row) => (row.state === "declined" && words.declined[row.who_fixes]) || words.messages[row.state] || "";

export const UNCLAIMED_AFTER = 15 * 60_000;

function note(row) {
  if (row.refund_pending) return t("a refund is under way");
  if (row.state !== "paid" || row.refunded) return "";
  if (row.claimed) return t("in a sale");
  return row.now - Date.parse(row.changed_at) > UNCLAIMED_AFTER ? t("in no sale yet") : "";
}

export const STOPPED = ["cancelled", "closed"];

const howLong = (row) =>
  STOPPED.includes(row.state)
    ? t("{span} ago", { span: span(row.now - Date.parse(row.changed_at)) })
    : t("for {span}", { span: span(row.now - Date.parse(row.made_at)) });

/** Every writer by the name that `data-as` uses. */
export function writersFor({ currency, zone }) {
  return {
    plain: String,
    count: number,
    money: (minor) => money(minor, currency),
    back: (minor) => (minor ? t("{amount} back", { amount: money(minor, currency) }) : ""),
    time: (moment) => clock(moment, zone, true),
    method: (method) => words.methods[method] ?? method,
    kind: (row) => stateOf(row).kind,
    word: (row) => stateOf(row).word,
    message: messageOf,
    some: (count) => (count ? "some" : "none"),
    "how-long": howLong,
    note,
    "as-of": (moment) => t("as of {time}", { time: clock(moment, zone, true) }),
  };
}
