/**
 * Taking a payment by hand. What is asked for is written down in this window (sessionStorage) before it is sent, with the ids
 * that it is sent under; whatever happens then, a reload, a double click, a lost answer, it is the same payment and is charged once.
 */

import { money } from "/static/web/figures.js";
import { t } from "/static/web/format.js";
import { Refused, call } from "./api.js";
import { Progress } from "./progress.js";
import { uuid7 } from "./uuid7.js";
import { messageOf, span, words } from "./words.js";

const LONGEST_AMOUNT = 12; // more digits than this are a customer's code that was scanned into the wrong field
const CODE = /^(\d{16,24}|fp[0-9A-Za-z]{33})$/;
const root = document.getElementById("take");
const at = (name) => document.getElementById(`take-${name}`);
const [form, amount, code, till] = ["form", "amount", "code", "till"].map(at);
const store = root.dataset.store;
const KEPT = `hutong.take.${store}`;
const TILL = `hutong.till.${store}`;

/** Fen of what was typed in yuan, or null. */
export function fenOf(text) {
  const plain = text.replace(/[¥￥,，\s]/g, "").replace("。", ".");
  const match = /^(\d{1,9})(?:\.(\d{0,2}))?$/.exec(plain);
  const fen = match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : 0;
  return fen > 0 ? fen : null;
}

const wrong = (field, message) => {
  const error = at(`${field}-error`);
  error.textContent = message;
  error.hidden = !message;
  at(field).closest(".field").classList.toggle("wrong", Boolean(message));
  if (message) at(field).focus();
};

// The current attempt ---------------------------------------------------------------------------------------------------

let current = null;
let progress = null;

function keep(attempt) {
  current = attempt;
  if (attempt) sessionStorage.setItem(KEPT, JSON.stringify(attempt));
  else sessionStorage.removeItem(KEPT);
}

const kept = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
};

/** Writes a wish down under new ids, then sends it; `sale` is that of a wish that was refused before. */
function begin(method, sale = uuid7()) {
  if (current) return;
  const fen = fenOf(amount.value);
  wrong("amount", fen ? "" : t("Write the amount in yuan, such as 12.50."));
  if (!fen) return;
  keep({ begun: Date.now(), wish: { id: uuid7(), sale, amount: fen, method, store, till: till.value } });
  send();
}

async function send() {
  const { wish } = current;
  show({ state: "sending", amount: wish.amount });
  for (let wait = 500; current?.wish.id === wish.id; wait = Math.min(wait * 2, 8000)) {
    try {
      const payment = await call("POST", "/v1/payments?wait=0", wish);
      return follow(payment);
    } catch (error) {
      if (error instanceof Refused && error.status !== 503 && error.status !== 429 && error.status < 500) return refused(error);
      show({ state: "unknown", amount: wish.amount, said: t("No connection to the network just now. It is tried again by itself, and charged once.") });
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

/** The wish was not taken: nothing was asked of the wallet, and the form comes back with what to mend. */
function refused(error) {
  const { wish } = current;
  if (error.code === "sale_busy" && error.problem.payment && error.problem.payment !== wish.id) {
    keep({ ...current, wish: { ...wish, id: error.problem.payment } });
    return follow(null);
  }
  keep(null);
  back();
  const field = error.problem.field === "amount" ? "amount" : "code";
  wrong(field, error.message);
  code.value = "";
}

function follow(payment) {
  const { wish } = current;
  progress?.close();
  if (payment) show(payment);
  progress = new Progress(wish.id, {
    heard: (fresh) => current?.wish.id === wish.id && show(fresh),
    missing: () => current?.wish.id === wish.id && send(), // it had not arrived: the same wish, under the same ids
  });
}

// What the cashier sees ---------------------------------------------------------------------------------------------------

let shown = null;

function show(payment) {
  shown = payment;
  const { kind, word } = words.states[payment.state];
  const decided = payment.decided ?? false;
  form.hidden = true;
  const panel = at("progress");
  panel.hidden = false;
  panel.dataset.is = decided && payment.state !== "paid" ? "bad" : kind; // here anything but paid is loud
  panel.dataset.state = payment.state;
  at("sum").textContent = money(payment.amount, "CNY");
  if (at("state").textContent !== word) at("state").textContent = word;
  at("words").textContent = payment.said ?? messageOf(payment);
  const scan = payment.qr && !decided;
  at("picture").hidden = !scan;
  if (scan && !at("picture").src) at("picture").src = `/payments/${payment.id}/qr.svg`;
  if (!scan) at("picture").removeAttribute("src");
  at("stop").hidden = !payment.id || decided || payment.state === "cancelling";
  at("next").hidden = !decided;
  at("again").hidden = !decided || payment.state === "paid";
  at("open").hidden = !payment.id;
  if (payment.id) at("open").href = `/payments/${payment.id}`;
  if (decided && !current.decided) {
    keep({ ...current, decided: true });
    at(payment.state === "paid" ? "next" : "again").focus();
  }
  tick();
}

function tick() {
  const waits = current && shown && !shown.decided;
  at("span").textContent = waits ? t("for {span}", { span: span(Date.now() - current.begun) }) : "";
}
setInterval(tick, 1000);

function back() {
  progress?.close();
  progress = shown = null;
  at("progress").hidden = true;
  at("picture").removeAttribute("src");
  form.hidden = false;
  code.value = "";
  (amount.value ? code : amount).focus();
}

// The form ------------------------------------------------------------------------------------------------------------------

let again = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = code.value.replace(/\s/g, "");
  if (!typed) {
    if (!fenOf(amount.value)) return wrong("amount", t("Write the amount in yuan, such as 12.50."));
    wrong("amount", "");
    return code.focus();
  }
  wrong("code", CODE.test(typed) ? "" : t("This is no payment code; ask the customer to open the wallet's payment page and scan again."));
  if (!CODE.test(typed)) return void (code.value = "");
  begin({ type: "code", code: typed }, again ?? undefined);
});
at("qr").addEventListener("click", () => begin({ type: "qr" }, again ?? undefined));
till.addEventListener("change", () => localStorage.setItem(TILL, till.value));
amount.addEventListener("input", () => {
  const digits = amount.value.replace(/\D/g, "");
  if (digits.length <= LONGEST_AMOUNT || amount.value.includes(".")) return;
  code.value = digits;
  amount.value = "";
  code.focus(); // the scanner goes on typing
});
at("stop").addEventListener("click", async () => {
  at("stop").disabled = true;
  try {
    show(await call("POST", `/v1/payments/${current.wish.id}:cancel`));
  } catch (error) {
    at("words").textContent = error.message;
  }
  at("stop").disabled = false;
});
at("again").addEventListener("click", () => {
  again = current.wish.sale;
  amount.value = `${Math.floor(current.wish.amount / 100)}.${String(current.wish.amount % 100).padStart(2, "0")}`;
  keep(null);
  back();
});
at("next").addEventListener("click", () => {
  again = null;
  amount.value = "";
  keep(null);
  back();
});
// A scanner types wherever the cursor happens to be: digits that nobody else wants go into the code's field.
document.addEventListener("keydown", (event) => {
  if (form.hidden || !/^\d$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.activeElement && document.activeElement.matches("input, select, textarea")) return;
  code.focus();
});

const remembered = localStorage.getItem(TILL);
if ([...till.options].some((option) => option.value === remembered)) till.value = remembered;
current = kept();
if (current) {
  show({ state: "unknown", amount: current.wish.amount, said: t("Looking up how it stands…") });
  follow(null);
} else amount.focus();
root.dataset.ready = "";
