/** Keeps the overview of stores fresh: the same page is asked for again now and then; where that fails it turns grey and says since when. */

import { t } from "/static/web/format.js";

const root = document.getElementById("overview");
const asOf = document.getElementById("as-of");

async function refresh() {
  if (document.hidden || root.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(15_000) });
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    root.replaceChildren(...fresh.getElementById("overview").childNodes);
    asOf.textContent = fresh.getElementById("as-of").textContent;
    root.classList.remove("stale");
    asOf.classList.remove("stale");
  } catch {
    root.classList.add("stale");
    asOf.classList.add("stale");
    asOf.title = t("Not reachable just now; trying again by itself");
  }
}

if (root) setInterval(refresh, Number(root.dataset.refresh) * 1000);
