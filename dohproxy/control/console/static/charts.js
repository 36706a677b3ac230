// The four charts. Lines differ in dashes as well as in colour, and each has its newest value in words above it.

import { element, setText } from "./tables.js";

const SPAN_SECONDS = 900;
const GROUPS = ["cache", "upstream", "stale", "here", "withheld", "malformed", "limited", "failed"];
const HEIGHT = 150;
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [4, 4], [1, 4], [10, 3], [6, 2, 2, 2]];
const LIGHT = ["#1b6e34", "#1a5fb4", "#8a5200", "#50565f", "#6b3fa0", "#00707a", "#b3400e", "#a8071a"];
const DARK = ["#7fd694", "#8ab8f5", "#f3bd5e", "#aab1bc", "#c9a6f2", "#63d0da", "#ffa27a", "#ff9aa4"];

const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 }));

const SVG = "http://www.w3.org/2000/svg";

// What each line is, drawn as the line is: uPlot's own legend knows colours alone.
function legend(labels, colours) {
  return element("ul", { class: "legend" }, ...labels.map((label, line) => {
    const sample = document.createElementNS(SVG, "svg");
    sample.setAttribute("viewBox", "0 0 30 4");
    const drawn = sample.appendChild(document.createElementNS(SVG, "path"));
    const looks = { d: "M0 2h30", stroke: colours[line % colours.length], "stroke-width": 2, "stroke-dasharray": DASHES[line % DASHES.length].join(" ") };
    for (const [name, value] of Object.entries(looks)) drawn.setAttribute(name, value);
    return element("li", {}, sample, label);
  }));
}

const clock = (unix) => new Date(unix * 1000).toLocaleTimeString("en-GB");

class Chart {
  constructor(id, labels, values, says) {
    this.place = document.getElementById(`chart-${id}`);
    this.now = document.getElementById(`now-${id}`);
    this.labels = labels;
    this.values = values;
    this.says = says;
    this.plot = null;
  }

  draw(points) {
    const times = points.map((point) => point.at);
    const data = [times, ...this.labels.map((_, line) => points.map((point) => this.values(point)[line]))];
    if (points.length) setText(this.now, this.says(points[points.length - 1]));
    if (!this.plot) this.make(data);
    else this.plot.setData(data);
  }

  make(data) {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const colours = isDark ? DARK : LIGHT;
    const style = getComputedStyle(document.documentElement);
    const axis = { stroke: style.getPropertyValue("--dim"), grid: { stroke: style.getPropertyValue("--grid"), width: 1 }, ticks: { show: false } };
    const series = this.labels.map((_, line) => ({
      stroke: colours[line % colours.length], width: 2, dash: DASHES[line % DASHES.length], points: { show: false },
    }));
    this.plot = new window.uPlot({
      width: this.place.clientWidth, height: HEIGHT, cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { range: (_, from, to) => [Math.min(from, to - 60), to] }, y: { range: (_, from, to) => [0, Math.max(1, to * 1.1)] } },
      axes: [{ ...axis, size: 28, space: 60, values: (_, times) => times.map(clock) }, { ...axis, size: 46 }],
      series: [{}, ...series],
      legend: { show: false },
    }, data, this.place);
    if (this.labels.length > 1) this.plot.root.append(legend(this.labels, colours));
    this.plot.root.setAttribute("aria-hidden", "true");
  }

  fit() {
    if (this.plot) this.plot.setSize({ width: this.place.clientWidth, height: HEIGHT });
  }

  forget() {
    if (this.plot) this.plot.destroy();
    this.plot = null;
  }
}

export class Charts {
  constructor() {
    this.points = [];
    const each = (point) => GROUPS.map((group) => (point.groups ? point.groups[group] : null));
    const all = (point) => (point.groups ? Object.values(point.groups).reduce((sum, one) => sum + one, 0) : null);
    this.charts = [
      new Chart("requests", GROUPS, each, (point) => `${number(all(point))}, of which ${number(point.groups && point.groups.limited)} limited and ${number(point.groups && point.groups.failed)} failed`),
      new Chart("sends", ["sent", "allowed"], (point) => [point.sends, point.budget], (point) => `${number(point.sends)} of ${number(point.budget)} allowed`),
      new Chart("connections", ["open"], (point) => [point.connections], (point) => number(point.connections)),
      new Chart("p99", ["milliseconds"], (point) => [point.p99_ms], (point) => (point.p99_ms === null ? "– (no requests)" : `${number(point.p99_ms)} ms`)),
    ];
    new ResizeObserver(() => this.charts.forEach((chart) => chart.fit())).observe(this.charts[0].place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.charts.forEach((chart) => chart.forget());
      this.draw();
    });
  }

  start(points) {
    this.points = points;
  }

  add(point) {
    if (this.points.length && this.points[this.points.length - 1].at >= point.at) return this.draw();
    this.points = [...this.points.filter((one) => point.at - one.at <= SPAN_SECONDS), point];
    return this.draw();
  }

  draw() {
    this.charts.forEach((chart) => chart.draw(this.points));
  }
}
