/** Keeps a live document fed: server-sent events while they flow, the same document by plain requests where they do not. */

import { Age, Live } from "/static/web/live.js";

const LATE_SECONDS = 15;
const RETRY_MILLISECONDS = 4000;

/**
 * Starts feeding. `changed()` is called after every change, `state(name, why)` when the feed is "live", "late" or "over"
 * ("over" waits for a person: `why` is "signed-out" or "gone").
 */
export class Feed {
  constructor(snapshot, { stream, document, changed, state }) {
    this.live = new Live(snapshot);
    this.age = new Age(snapshot.as_of);
    Object.assign(this, { stream, document, changed, state, shown: "live" });
    this.#open();
    setInterval(() => this.#judge(), 1000);
    addEventListener("pagehide", () => this.source?.close());
    addEventListener("pageshow", (event) => event.persisted && this.#open());
    addEventListener("online", () => this.source?.readyState === EventSource.CLOSED && this.#again(0));
  }

  #open() {
    this.source?.close();
    const url = new URL(this.stream, location.href);
    if (this.live.snapshot.epoch) url.searchParams.set("after", this.live.place);
    const source = (this.source = new EventSource(url));
    source.addEventListener("snapshot", (event) => this.#restart(JSON.parse(event.data)));
    source.addEventListener("frame", (event) => this.#frame(JSON.parse(event.data)));
    source.addEventListener("end", (event) => this.#end(JSON.parse(event.data).reason));
    source.onerror = () => {
      // While the browser is CONNECTING it retries by itself, with the last id; an answer other than 200 closes the stream.
      if (source.readyState === EventSource.CLOSED) this.#again(RETRY_MILLISECONDS);
    };
  }

  #restart(snapshot) {
    this.live.restart(snapshot);
    this.#heard();
  }

  #frame(frame) {
    if (this.live.follow(frame)) this.#heard();
    else this.#again(250);
  }

  #heard() {
    this.age.heard(this.live.snapshot.as_of);
    this.changed();
    this.#judge();
  }

  #end(reason) {
    this.source.close();
    if (reason === "date") location.reload();
    else if (reason === "revoked") this.#over("signed-out");
    else if (reason === "closing") setTimeout(() => this.#open(), 500 + Math.random() * 1500); // not all screens at once
    else this.#open();
  }

  /** The stream is refused or makes no sense: fetch the document, which also says why, and try the stream again. */
  #again(delay) {
    this.source.close();
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      try {
        const answer = await fetch(this.document, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
        if (answer.status === 401 || answer.status === 403) return this.#over("signed-out");
        if (answer.status === 404) return this.#over("gone");
        if (answer.ok) this.#restart(await answer.json());
      } catch {
        // Not reachable: the tiles say since when, and we go on trying.
        return this.#again(RETRY_MILLISECONDS);
      }
      this.#open();
    }, delay);
  }

  #over(why) {
    this.over = true;
    this.shown = "over";
    this.state("over", why);
  }

  #judge() {
    if (this.over) return;
    const now = this.age.seconds() > LATE_SECONDS ? "late" : "live";
    if (now !== this.shown) this.state((this.shown = now));
  }
}
