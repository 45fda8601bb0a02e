/** A curve of one day: today's line over the line of the same weekday last week, by minute, by five minutes or as a running total. */

const DAY = 1440;

/** A minute of the day as a clock shows it; a day's end is 24:00. */
const clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

/** Sums a dense array of minutes into points of `step` minutes, or running totals where `step` is 0; `until` ends it. */
export function points(minutes, step, first, until) {
  const values = [];
  if (step === 0) {
    let sum = 0;
    for (let minute = 0; minute < first; minute += 1) sum += minutes[minute] ?? 0;
    for (let minute = first; minute < DAY; minute += 5) {
      for (let each = minute; each < minute + 5; each += 1) sum += each <= until ? (minutes[each] ?? 0) : 0;
      values.push(minute <= until ? sum : null);
    }
    return values;
  }
  for (let minute = first; minute < DAY; minute += step) {
    let sum = 0;
    for (let each = minute; each < minute + step; each += 1) sum += minutes[each] ?? 0;
    values.push(minute + step - 1 < until || until >= DAY - 1 ? sum : null); // a bucket still filling would look like a fall
  }
  return values;
}

/** One column of a document's curve (minute to values, minutes without trade absent) as an array of all the day's minutes. */
export function dense(curve, column) {
  const minutes = new Array(DAY).fill(0);
  for (const [minute, values] of Object.entries(curve)) minutes[minute] = values[column];
  return minutes;
}

const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/** The chart in `host` (an element with a legend of its own); `words` name the lines, `write` writes a value, `axis` a short one. */
export class Curve {
  constructor(host, { write, axis, words, step = 5 }) {
    Object.assign(this, { host, write, axis, words, step });
    this.tip = Object.assign(document.createElement("div"), { className: "curve-tip", hidden: true });
    this.spoken = Object.assign(document.createElement("p"), { className: "visually-hidden" });
    this.spoken.setAttribute("aria-live", "polite");
    this.host.append(this.tip, this.spoken);
    this.host.tabIndex = 0;
    this.host.addEventListener("keydown", (event) => this.#key(event));
    this.host.addEventListener("blur", () => this.#hide());
    new ResizeObserver(() => this.#resize()).observe(this.host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
    document.addEventListener("hutong:theme", () => this.#rebuild());
  }

  /** Shows a day: dense minutes of both days, the first minute worth showing, and the minute it is now (1439 for a day that is over). */
  show(day) {
    this.day = day;
    if (!this.plot) this.#rebuild();
    else if (this.first !== this.#first()) this.#rebuild();
    else this.plot.setData(this.#data());
  }

  /** Changes what a point is: 1 or 5 minutes, or 0 for the running total. */
  zoom(step) {
    this.step = step;
    if (this.day) this.#rebuild();
  }

  #first() {
    return Math.max(0, Math.floor(this.day.first / 60) * 60);
  }

  #data() {
    const { today, before, now } = this.day;
    const stride = this.step || 5;
    const x = [];
    for (let minute = this.first; minute < DAY; minute += stride) x.push(minute);
    return [x, before ? points(before, this.step, this.first, DAY - 1) : x.map(() => null), points(today, this.step, this.first, now)];
  }

  #rebuild() {
    if (!this.day || !this.host.clientWidth) return;
    this.plot?.destroy();
    this.first = this.#first();
    this.plot = new window.uPlot(this.#options(), this.#data(), this.host);
    this.#cursorLabel();
  }

  #options() {
    const ink = colour(this.host, "--curve-axis");
    const grid = { stroke: colour(this.host, "--curve-grid"), width: 1 };
    const size = parseInt(getComputedStyle(this.host).fontSize, 10) * 0.82;
    const font = `${size}px system-ui, sans-serif`;
    const common = { stroke: ink, font, grid, ticks: { show: false } };
    const steps = this.step === 1 ? undefined : window.uPlot.paths.spline();
    return {
      width: this.host.clientWidth, height: this.host.clientHeight, legend: { show: false },
      padding: [size / 2, size, 0, 0],
      cursor: { y: false, points: { size: 8 }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: () => [this.first, DAY] }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [
        { ...common, grid: { show: false }, size: size * 1.9, splits: () => this.#hours(size), values: (_, splits) => splits.map((minute) => clock(minute)) },
        { ...common, size: size * 4.6, space: size * 3.4, values: (_, splits) => splits.map((value) => this.axis(value)) },
      ],
      series: [
        {},
        { stroke: colour(this.host, "--curve-before"), width: 1.5, dash: [5, 4], points: { show: false }, paths: steps },
        { stroke: colour(this.host, "--curve-today"), fill: colour(this.host, "--curve-fill"), width: 2.5, points: { show: false }, paths: steps },
      ],
      hooks: { setCursor: [(plot) => this.#tip(plot)], draw: [(plot) => this.#now(plot)] },
    };
  }

  #hours(size) {
    const width = this.host.clientWidth / Math.max(1, (DAY - this.first) / 60);
    const every = [1, 2, 3, 4, 6].find((hours) => hours * width > size * 4.2) ?? 6;
    const hours = [];
    for (let hour = Math.ceil(this.first / 60); hour < 24; hour += 1) if (hour % every === 0) hours.push(hour * 60);
    return hours;
  }

  /** A thin line where the day stands now. */
  #now(plot) {
    if (this.day.now >= DAY - 1) return;
    const x = Math.round(plot.valToPos(this.day.now, "x", true));
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour(this.host, "--curve-now");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  #resize() {
    if (!this.plot) this.#rebuild();
    else if (this.host.clientWidth) this.plot.setSize({ width: this.host.clientWidth, height: this.host.clientHeight });
  }

  #label(index) {
    const [x, before, today] = this.plot.data;
    const end = x[index] + (this.step || 5);
    const lines = [this.step === 1 ? clock(x[index]) : this.step === 0 ? clock(Math.min(end, DAY)) : `${clock(x[index])}–${clock(end)}`];
    if (today[index] != null) lines.push(`${this.words.today} ${this.write(today[index])}`);
    if (before[index] != null) lines.push(`${this.words.before} ${this.write(before[index])}`);
    return lines;
  }

  #tip(plot) {
    const index = plot.cursor.idx;
    if (index == null || plot.cursor.left < 0) {
      this.tip.hidden = true;
      return;
    }
    this.tip.replaceChildren(...this.#label(index).map((line, at) => Object.assign(document.createElement(at ? "span" : "b"), { textContent: line })));
    this.tip.hidden = false;
    const box = plot.over.getBoundingClientRect();
    const left = box.left - this.host.getBoundingClientRect().left + plot.cursor.left;
    const flip = left + this.tip.offsetWidth + 20 > this.host.clientWidth;
    this.tip.style.transform = `translate(${Math.max(0, flip ? left - this.tip.offsetWidth - 12 : left + 12)}px, 8px)`;
  }

  #key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") this.#hide();
    if (move === undefined || !this.plot) return;
    event.preventDefault();
    const last = Math.max(0, this.plot.data[2].findLastIndex((value) => value != null));
    const from = this.plot.cursor.idx ?? last;
    const length = this.plot.data[0].length;
    const index = Math.min(length - 1, Math.max(0, Number.isFinite(move) ? from + move : move < 0 ? 0 : last));
    this.plot.setCursor({ left: this.plot.valToPos(this.plot.data[0][index], "x"), top: 10 });
    this.spoken.textContent = this.#label(index).join(", ");
  }

  #hide() {
    this.plot?.setCursor({ left: -10, top: -10 });
    this.tip.hidden = true;
  }

  #cursorLabel() {
    const canvas = this.host.querySelector("canvas");
    canvas?.setAttribute("aria-hidden", "true");
  }
}
