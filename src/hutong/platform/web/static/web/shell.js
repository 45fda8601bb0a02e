// Behaviour of every page: theme, wall, menus, confirmation, copying, local times, and htmx's requests.

import { ask } from "/static/web/ask.js";
import { clock, t, toast } from "/static/web/format.js";

const root = document.documentElement;

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

function isDark() {
  if (root.classList.contains("theme-light")) return false;
  return root.classList.contains("theme-dark") || matchMedia("(prefers-color-scheme: dark)").matches;
}

function toggleTheme() {
  const next = isDark() ? "light" : "dark";
  root.classList.remove("theme-light", "theme-dark");
  root.classList.add(`theme-${next}`);
  remember("hutong_theme", next);
  document.dispatchEvent(new CustomEvent("hutong:theme"));
}

/** The wall: dark, large, without controls, on the whole screen if the browser lets us. */
function toggleWall() {
  const on = root.classList.toggle("wall");
  const address = new URL(location.href);
  if (on) address.searchParams.set("wall", "1");
  else address.searchParams.delete("wall");
  history.replaceState(null, "", address);
  if (on) root.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
  document.dispatchEvent(new CustomEvent("hutong:theme"));
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast(t("Copied"));
  } catch {
    toast(t("Copying is not allowed here; select the text instead"), "warn");
  }
}

function showLocalTimes(within) {
  for (const element of within.querySelectorAll("time[data-local]")) {
    element.textContent = clock(element.dateTime, Intl.DateTimeFormat().resolvedOptions().timeZone, element.dataset.local || "short");
  }
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const button = target?.closest("[data-theme-toggle], [data-wall-toggle], [data-copy], [data-back]");
  if (button?.matches("[data-theme-toggle]")) toggleTheme();
  else if (button?.matches("[data-wall-toggle]")) toggleWall();
  else if (button?.matches("[data-copy]")) copy(button);
  else if (button?.matches("[data-back]")) history.back();
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A form with data-confirm asks first, in a dialog of the page's own; a form is sent once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !form.dataset.confirmed) {
    event.preventDefault();
    ask(question).then((yes) => {
      if (!yes) return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter);
    });
  } else if (form.method === "post" && !event.defaultPrevented) {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 3000);
  }
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = document.body.dataset.csrf;
});
document.addEventListener("htmx:responseError", (event) => {
  let problem = {};
  try {
    problem = JSON.parse(event.detail.xhr.responseText);
  } catch {
    // not a problem document
  }
  toast(problem.detail || t("That did not work; try again"), "bad");
});
document.addEventListener("htmx:sendError", () => toast(t("No connection to the network just now"), "bad"));
document.addEventListener("htmx:afterSettle", (event) => showLocalTimes(event.target));

// Behind a return to the page from the browser's memory, forms may be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
showLocalTimes(document);
