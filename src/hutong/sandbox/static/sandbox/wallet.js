// Loads the page again when something that it shows has changed, runs the code's time down, and copies the code.

const { state, version } = document.body.dataset;
const bar = document.querySelector("progress[data-speed]");

if (bar) {
  const start = performance.now(), left = Number(bar.value), speed = Number(bar.dataset.speed);
  setInterval(() => {
    bar.value = Math.max(0, left - ((performance.now() - start) / 1000) * speed);
  }, 250);
}

// Somebody who is typing is not interrupted.
const typing = () => [...document.querySelectorAll("input")].some((each) => each.value && each === document.activeElement);

async function look() {
  try {
    const answer = await fetch(state, { cache: "no-store" });
    if (answer.ok && (await answer.text()) !== version && !typing()) {
      location.reload();
      return;
    }
  } catch {
    // The sandbox is away; it is asked again.
  }
  setTimeout(look, document.hidden ? 5000 : 1000);
}

if (state) {
  setTimeout(look, 1000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  });
}
