/** The drill by place: not a stream but the same answer again every five seconds, while somebody can see it. */

import { Age } from "/static/web/live.js";
import { bind } from "/static/web/bind.js";
import { placeModel } from "./models.js";
import { followDayPicker, root, showFeed } from "./page.js";
import { writersFor } from "./writers.js";

const EVERY_MILLISECONDS = 5000;
const LATE_SECONDS = 15;

const { document: first, as_of: asOf } = JSON.parse(document.getElementById("snapshot").textContent);
const writers = writersFor(first.identity);
const show = bind(root, writers);
const age = new Age(asOf);
let shownAsOf = asOf;
let over = false;

async function refresh() {
  if (document.hidden || over) return;
  try {
    const answer = await fetch(root.dataset.document, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
    if ([401, 403, 404].includes(answer.status)) {
      over = true;
      return showFeed("over", answer.status === 404 ? "gone" : "signed-out");
    }
    if (!answer.ok) return;
    const place = await answer.json();
    age.heard((shownAsOf = place.as_of));
    show(placeModel(place));
  } catch {
    // The tiles say since when.
  }
}

show(placeModel(first));
root.dataset.painted = "";
setInterval(refresh, EVERY_MILLISECONDS);
document.addEventListener("visibilitychange", refresh);
setInterval(() => over || showFeed(age.seconds() > LATE_SECONDS ? "late" : "live", "", writers.seconds(shownAsOf)), 1000);
followDayPicker();
