/** How figures, moments and states are written for the person at the screen; the first paint's half is writers.py. */

import { t } from "/static/web/format.js";
import { chinese, clock, money, number, percent, shortMoney, wholeMoney } from "/static/web/figures.js";

/** A thing's name in the reader's language, or in the other one where it has none. */
export const nameOf = (thing) => (chinese ? thing.name_zh || thing.name_en : thing.name_en || thing.name_zh) || thing.code || "";

/** A span of whole minutes in words. */
export function span(minutes) {
  if (minutes < 60) return t("{minutes} min", { minutes });
  if (minutes < 2880) return t("{hours} h {minutes} min", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
  return t("{days} days", { days: Math.floor(minutes / 1440) });
}

const minutesBetween = (earlier, later) => Math.max(0, Math.floor((Date.parse(later) - Date.parse(earlier)) / 60_000));

/** When a till last gave a sign of life: what it sent or its last sale, whichever is later; null if never. */
const lastSign = (till) => [till.last_seen_at, till.last_sale_at].filter(Boolean).sort((one, other) => Date.parse(one) - Date.parse(other)).at(-1) ?? null;

/** never, revoked, alive (heard within 5 minutes), quiet (within 30) or silent. */
export function tillState(till) {
  if (till.revoked) return "revoked";
  const sign = lastSign(till);
  if (!sign) return "never";
  const minutes = minutesBetween(sign, till.as_of);
  return minutes < 5 ? "alive" : minutes < 30 ? "quiet" : "silent";
}

function tillWords(till) {
  const state = tillState(till);
  if (state === "revoked") return t("key revoked");
  if (state === "never") return t("no sign of life yet");
  if (state === "alive") return t("alive");
  return t("quiet for {span}", { span: span(minutesBetween(lastSign(till), till.as_of)) });
}

function storeWords(store) {
  const usual = number(Math.round(store.usual_tickets / 100));
  const tickets = number(store.tickets);
  if (store.status === "silent") {
    if (!store.last_sale_at) return t("No sale yet today; usually {usual} tickets by now", { usual });
    const quiet = span(minutesBetween(store.last_sale_at, store.as_of));
    return t("No sale for {span}; {tickets} tickets so far, usually {usual} by now", { span: quiet, tickets, usual });
  }
  if (store.status === "low") return t("Far below usual: {tickets} tickets so far, usually {usual} by now", { tickets, usual });
  if (store.status === "steady") return t("{tickets} tickets, usually {usual} by now", { tickets, usual });
  if (store.status === "quiet") return t("Too little is usual at this time to tell");
  return t("Outside its hours");
}

const statusWord = (status) => ({
  silent: t("Silent"), low: t("Far below usual"), steady: t("As usual"), quiet: t("Too early to tell"), closed: t("Closed"),
})[status] ?? status;

const kindWord = (kind) => ({ sale: t("Sale"), return: t("Return"), void: t("Void") })[kind] ?? kind;

function goods(sale) {
  const names = sale.products.map(nameOf).join(chinese ? "、" : ", ");
  const more = sale.line_count - sale.products.length;
  return more > 0 ? t("{names} and {more} more", { names, more }) : names;
}

function daysSince(day, today) {
  return Math.round((Date.parse(today) - Date.parse(day)) / 86_400_000);
}

/** Every writer by the name that `data-as` uses; amounts are in the document's currency and times in its zone. */
export function writersFor({ currency, zone, business_date: today }) {
  return {
    plain: String,
    name: nameOf,
    city: (thing) => (chinese ? thing.city_zh || thing.city_en : thing.city_en || thing.city_zh) || "",
    money: (minor) => money(minor, currency),
    whole: (minor) => wholeMoney(minor, currency),
    short: (minor) => shortMoney(minor, currency),
    count: number,
    quantity: (thousandths) => number(thousandths / 1000),
    hundredths: (value) => (Math.round(value / 10) / 10).toFixed(1),
    percent,
    seconds: (moment) => clock(moment, zone, true),
    time: (moment) => clock(moment, zone),
    "till-state": tillState,
    "till-words": tillWords,
    "till-sign": (till) => (lastSign(till) ? clock(lastSign(till), zone, true) : "–"),
    "store-words": storeWords,
    "status-word": statusWord,
    "kind-word": kindWord,
    goods,
    "as-of-words": (moment) => t("as of {time}", { time: clock(moment, zone, true) }),
    "late-words": (moment) => t("feed late since {time}", { time: clock(moment, zone, true) }),
    "days-since": (day) => (daysSince(day, today) === 1 ? t("yesterday") : t("{days} days ago", { days: daysSince(day, today) })),
  };
}
