/** Ends an agreement or releases held money from its list: asks first, then asks the server, then shows the list anew. */

import { ask } from "/static/web/ask.js";
import { toast } from "/static/web/format.js";
import { call } from "./api.js";

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-end]") : null;
  if (!button || button.disabled || !(await ask(button.dataset.question))) return;
  button.disabled = true;
  try {
    await call("POST", button.dataset.end);
    location.reload();
  } catch (error) {
    toast(error.message, "bad");
    button.disabled = false;
  }
});
