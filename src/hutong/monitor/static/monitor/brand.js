/** The brand's page: the curve by value or by units, and the curves of launches. */

import { LaunchCurves } from "./launch.js";
import { root, startPage } from "./page.js";

const host = root.querySelector("[data-launch]");
const launches = window.uPlot ? new LaunchCurves(host, root.querySelector("[data-launch-legend]")) : null;

const page = startPage({
  painted: (model) => launches?.show(model.launches, model.identity.business_date),
});

root.querySelector("[data-measure]").addEventListener("change", (event) => {
  const units = event.target.value === "1";
  page.column = units ? 1 : 0;
  if (page.curve) Object.assign(page.curve, units ? { write: page.writers.quantity, axis: page.writers.quantity } : { write: page.writers.whole, axis: page.writers.short });
  page.ask();
});
