/** Keeps one payment's page up to date: when its stream tells of a change, the part that changes is fetched again. */

const host = document.getElementById("story");
const id = host.dataset.payment;
let known = "";
let asked = 0;

async function refresh() {
  const mine = ++asked;
  const open = [...host.querySelectorAll("details")].map((each) => each.open);
  const answer = await fetch(`/payments/${id}/story`, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected || mine !== asked) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  host.replaceChildren(...fresh.body.childNodes);
  host.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? false));
}

function heard(payment) {
  const told = JSON.stringify(payment);
  // What becomes paid can be refunded, so the page has more to offer then.
  if (known && payment.state === "paid" && !document.getElementById("refund")) location.replace(location.pathname);
  else if (known && told !== known) refresh();
  known = told;
}

function follow() {
  const source = new EventSource(`/v1/payments/${id}/events?keep=true`);
  source.addEventListener("snapshot", (event) => heard(JSON.parse(event.data).document.payment));
  source.addEventListener("frame", (event) => {
    const { payment } = JSON.parse(event.data).set;
    if (payment) heard(payment);
  });
  source.addEventListener("end", (event) => {
    source.close();
    if (JSON.parse(event.data).reason !== "revoked") setTimeout(follow, 1000);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

follow();
