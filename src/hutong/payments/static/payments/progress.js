/** Follows one payment until it is decided: by its stream, and by plain requests where the stream does not flow. */

import { Refused, call } from "./api.js";

export class Progress {
  /** `heard(payment)` with each change, `missing()` if there is no such payment. */
  constructor(id, { heard, missing }) {
    Object.assign(this, { id, heard, missing });
    this.#open();
  }

  #open() {
    const source = (this.source = new EventSource(`/v1/payments/${this.id}/events`));
    source.addEventListener("snapshot", (event) => this.heard(JSON.parse(event.data).document.payment));
    source.addEventListener("frame", (event) => {
      const { payment } = JSON.parse(event.data).set;
      if (payment) this.heard(payment);
    });
    source.addEventListener("end", (event) => {
      source.close();
      if (JSON.parse(event.data).reason !== "decided") this.#ask(500);
    });
    source.onerror = () => {
      source.close();
      this.#ask(1000);
    };
  }

  #ask(delay) {
    if (this.closed) return;
    this.timer = setTimeout(async () => {
      try {
        const payment = await call("GET", `/v1/payments/${this.id}`);
        if (this.closed) return;
        this.heard(payment);
        if (payment.decided) return;
      } catch (error) {
        if (this.closed) return;
        if (error instanceof Refused && error.status === 404) return this.missing();
        if (error instanceof Refused && error.status === 401) return location.reload();
        return this.#ask(2000);
      }
      this.#open();
    }, delay);
  }

  close() {
    this.closed = true;
    this.source?.close();
    clearTimeout(this.timer);
  }
}
