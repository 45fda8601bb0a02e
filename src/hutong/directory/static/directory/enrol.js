// Turns a one-time code into a till's key. The code comes behind the #, which browsers send to no server.

import { t } from "/static/web/format.js";

const form = document.querySelector("[data-enrol]");
const problem = form.querySelector("[data-problem]");
const done = document.querySelector("[data-enrolled]");

form.elements.code.value = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname);

function show(text) {
  problem.textContent = text;
  problem.classList.remove("hidden");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.classList.add("hidden");
  let answer;
  try {
    const response = await fetch("/v1/tills:enrol", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf },
      body: JSON.stringify({ code: form.elements.code.value }),
    });
    answer = await response.json();
    if (!response.ok) return show(answer.detail);
  } catch {
    return show(t("No connection to the network just now"));
  }
  const name = document.body.dataset.locale === "zh" ? answer.store.name_zh : answer.store.name_en;
  done.querySelector("[data-place]").textContent = `${name} · ${answer.till.code}`;
  done.querySelector("[data-key]").textContent = answer.key;
  done.querySelector("[data-copy]").dataset.copy = answer.key;
  form.classList.add("hidden");
  done.classList.remove("hidden");
});
