/** Writes amounts, numbers, shares and clock times in the reader's language as the server does (platform/web/formatting.py). */

import { locale } from "/static/web/format.js";

export const chinese = locale === "zh";
const tag = chinese ? "zh-CN" : "en-GB";
const MINUS = "\u2212";
const SYMBOLS = { CNY: "¥", GBP: "£", EUR: "€", USD: "$", HKD: "HK$", MOP: "MOP$" };
const plain = new Intl.NumberFormat(tag, { maximumFractionDigits: 3 });
const compact = new Intl.NumberFormat(chinese ? tag : "en", { notation: "compact", maximumFractionDigits: 2 });
const share = new Intl.NumberFormat(tag, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clocks = new Map();

const signed = (negative, currency, figure) => `${negative ? MINUS : ""}${SYMBOLS[currency] ?? `${currency} `}${figure}`;

/** 1,234.5 */
export const number = (value) => plain.format(value).replace("-", MINUS);

/** Minor units in full: ¥1,234.56. */
export function money(amount, currency) {
  const digits = Math.abs(amount);
  return signed(amount < 0, currency, `${Math.floor(digits / 100).toLocaleString("en")}.${String(digits % 100).padStart(2, "0")}`);
}

/** Minor units rounded to the whole unit, for figures so large that nobody wants the fen: ¥1,235. */
export function wholeMoney(amount, currency) {
  const units = Math.floor((Math.abs(amount) + 50) / 100);
  return signed(amount < 0 && units > 0, currency, units.toLocaleString("en"));
}

/** Minor units in a few letters: ¥1.23亿, ¥123M; below ten thousand, whole units. */
export function shortMoney(amount, currency) {
  const units = Math.abs(amount) / 100;
  return signed(amount < 0, currency, units < 10_000 ? plain.format(Math.round(units)) : compact.format(units));
}

/** 0.1234 is 12.3%. */
export const percent = (fraction) => share.format(fraction).replace("-", MINUS);

/** A moment (ISO text) as the clock on the wall of `zone` shows it, with or without seconds. */
export function clock(moment, zone, seconds = false) {
  const key = `${zone} ${seconds}`;
  if (!clocks.has(key)) {
    const parts = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds && { second: "2-digit" }) };
    clocks.set(key, new Intl.DateTimeFormat("en-GB", parts));
  }
  return clocks.get(key).format(new Date(moment));
}
