/** A question in a dialog of the page's own. Import it by this address alone ("/static/web/ask.js"). */

import { t } from "/static/web/format.js";

/** Asks; answers whether the reader says yes. */
export function ask(question) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  const text = document.createElement("p");
  text.textContent = question;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "actions";
  for (const [value, label, kind] of [["no", t("Cancel"), "button"], ["yes", t("Yes, go on"), "button danger"]]) {
    const button = document.createElement("button");
    Object.assign(button, { value, textContent: label, className: kind });
    form.append(button);
  }
  dialog.append(text, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
