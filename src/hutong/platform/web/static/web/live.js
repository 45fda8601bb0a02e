/** The live document and the one rule by which frames change it; the same rule as `apply_frame` of hutong.platform.live. */

/** The document after a frame: `set` replaces sections whole, `cells` changes map sections cell by cell (null takes one away). */
export function applyFrame(document, frame) {
  const after = { ...document, ...frame.set };
  for (const [section, cells] of Object.entries(frame.cells)) {
    const merged = { ...after[section], ...cells };
    for (const [key, cell] of Object.entries(cells)) if (cell === null) delete merged[key];
    after[section] = merged;
  }
  return after;
}

/** A document with its place in the stream. Sections that a frame leaves alone stay the same objects. */
export class Live {
  constructor(snapshot) {
    this.snapshot = snapshot;
  }

  /** Where a stream may go on: `epoch:seq`. */
  get place() {
    return `${this.snapshot.epoch}:${this.snapshot.seq}`;
  }

  /** Replaces everything. */
  restart(snapshot) {
    this.snapshot = snapshot;
  }

  /** Applies a frame. Answers false, and changes nothing, if it does not follow: the caller must fetch a snapshot. */
  follow(frame) {
    const { epoch, seq, document } = this.snapshot;
    if (frame.epoch !== epoch || frame.seq > seq + 1) return false;
    if (frame.seq === seq + 1) {
      this.snapshot = { ...this.snapshot, seq: frame.seq, as_of: frame.as_of, newest: frame.newest, document: applyFrame(document, frame) };
    }
    return true;
  }
}

/**
 * How old what is shown is, without trusting that both clocks agree: the difference between them is taken from the
 * quickest message so far, so a later one that took longer, or none at all, shows as age.
 */
export class Age {
  constructor(asOf, now = Date.now()) {
    this.asOf = Date.parse(asOf);
    this.ahead = this.asOf - now;
  }

  heard(asOf, now = Date.now()) {
    this.asOf = Date.parse(asOf);
    this.ahead = Math.max(this.ahead, this.asOf - now);
  }

  /** The server's time now, in milliseconds since 1970. */
  time(now = Date.now()) {
    return now + this.ahead;
  }

  seconds(now = Date.now()) {
    return (this.time(now) - this.asOf) / 1000;
  }
}
