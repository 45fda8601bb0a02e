/** Launch curves: units added up by day since each product came to the market, over one another, so that launches compare. */

import { t } from "/static/web/format.js";
import { number } from "/static/web/figures.js";
import { nameOf } from "./writers.js";

const COLOURS = 5;
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2]];

export class LaunchCurves {
  constructor(host, legend) {
    Object.assign(this, { host, legend });
    new ResizeObserver(() => this.#resize()).observe(host);
    document.addEventListener("hutong:theme", () => this.#draw());
  }

  show(launches, today) {
    if (launches === this.launches) return;
    Object.assign(this, { launches, today });
    this.#draw();
  }

  #series() {
    return this.launches.slice(0, COLOURS).map((launch) => {
      const length = Math.round((Date.parse(this.today) - Date.parse(launch.launched_on)) / 86_400_000);
      const byDay = new Map(launch.days.map(([day, , quantity]) => [day, quantity / 1000]));
      const sums = [];
      for (let day = 0, sum = 0; day <= length; day += 1) sums.push((sum += byDay.get(day) ?? 0));
      return sums;
    });
  }

  #draw() {
    if (!this.launches?.length || !this.host.clientWidth) return;
    const series = this.#series();
    const longest = Math.max(...series.map((sums) => sums.length));
    const x = Array.from({ length: longest }, (_, day) => day);
    this.plot?.destroy();
    this.plot = new window.uPlot(this.#options(series.length), [x, ...series.map((sums) => x.map((day) => sums[day] ?? null))], this.host);
    this.#write(series);
  }

  #write(series) {
    const items = this.launches.slice(0, COLOURS).map((launch, index) => {
      const item = document.createElement("li");
      item.className = `launch-line launch-line-${index + 1}`;
      const name = Object.assign(document.createElement("span"), { textContent: nameOf(launch.product) });
      const words = t("{units} units in {days} days", { units: number(series[index].at(-1)), days: series[index].length });
      item.append(name, Object.assign(document.createElement("span"), { className: "where", textContent: words }));
      return item;
    });
    this.legend.replaceChildren(...items);
  }

  #options(count) {
    const style = getComputedStyle(this.host);
    const read = (name) => style.getPropertyValue(name).trim();
    const size = parseInt(style.fontSize, 10) * 0.82;
    const axis = { stroke: read("--ink-3"), font: `${size}px system-ui, sans-serif`, grid: { stroke: read("--chart-grid"), width: 1 }, ticks: { show: false } };
    return {
      width: this.host.clientWidth, height: this.host.clientHeight, legend: { show: false }, padding: [size / 2, size, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, (high || 1) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, size: size * 2.4, incrs: [1, 7, 14, 28], values: (_, days) => days.map((day) => t("day {day}", { day: day + 1 })), space: size * 5 },
        { ...axis, size: size * 4.4, values: (_, values) => values.map(number) },
      ],
      series: [{}, ...Array.from({ length: count }, (_, index) => ({ stroke: read(`--launch-${index + 1}`), width: 2, dash: DASHES[index], points: { show: false } }))],
    };
  }

  #resize() {
    if (!this.plot) this.#draw();
    else if (this.host.clientWidth) this.plot.setSize({ width: this.host.clientWidth, height: this.host.clientHeight });
  }
}
