// What scripts of all modules share: texts in the reader's language, clock times and short messages.
// Import it by this address alone ("/static/web/format.js"): another address would load it twice.

export const locale = document.body.dataset.locale === "en" ? "en" : "zh";
const tag = locale === "zh" ? "zh-CN" : "en-GB";
const messages = JSON.parse(document.getElementById("hutong-messages")?.textContent || "{}");

/** The text in the reader's language; {name} is filled from values. Always call it with a literal: the server collects them. */
export function t(text, values = {}) {
  return (messages[text] ?? text).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** A moment (ISO text, Date or milliseconds) as the clock of zone shows it; style: "time", "seconds" or "short". */
export function clock(moment, zone = "Asia/Shanghai", style = "time") {
  const options = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (style === "seconds") options.second = "2-digit";
  if (style === "short") Object.assign(options, { day: "numeric", month: "short" });
  return new Intl.DateTimeFormat(tag, options).format(new Date(moment));
}

/** A short message at the corner that leaves by itself; kind: "good", "warn" or "bad". */
export function toast(text, kind = "good") {
  const shown = document.createElement("div");
  shown.className = `toast ${kind}`;
  shown.textContent = text;
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.classList.add("leaving"), kind === "bad" ? 8000 : 4000);
  shown.addEventListener("transitionend", (event) => event.propertyName === "opacity" && shown.classList.contains("leaving") && shown.remove());
}
