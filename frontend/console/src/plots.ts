// Live plots. Their colours are those of the style sheet, read when a plot is made: light and dark make new plots.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { element, fill } from "./dom";
import { duration, figure } from "./format";
import type { Samples, State } from "./state";
import { language, type TextKey, text } from "./texts";

interface Line {
  label: string;
  colour: string;
  values: (samples: Samples) => (number | null)[];
}

interface PlotKind {
  title: TextKey;
  lines: Line[];
  write: (value: number | null) => string;
  unit: string;
}

const KINDS: PlotKind[] = [
  {
    title: "plotMessages",
    lines: [{ label: "", colour: "--plot-1", values: (samples) => samples.messages }],
    write: (value) => (value === null ? "–" : text("perSecond", { value: figure(value) })),
    unit: "",
  },
  {
    title: "plotLatency",
    lines: [
      { label: "p50", colour: "--plot-1", values: (samples) => samples.p50 },
      { label: "p99", colour: "--plot-2", values: (samples) => samples.p99 },
    ],
    write: (value) => (value === null ? text("plotEmpty") : duration(value)),
    unit: " ms",
  },
  {
    title: "plotInFlight",
    lines: [{ label: "", colour: "--plot-3", values: (samples) => samples.inFlight }],
    write: figure,
    unit: "",
  },
];

const HEIGHT = 150;

/** A plot shows so much at least, and at most what is kept (state.ts). */
const SECONDS_MIN = 60;

class Plot {
  readonly root: HTMLElement;
  #now = element("figcaption");
  #area: HTMLElement;
  #plot: uPlot | null = null;
  #shown = "";

  constructor(private readonly kind: PlotKind) {
    const title = text(kind.title);
    this.#area = element("div", { class: "plot", role: "img", "aria-label": title });
    this.root = element("figure", { "data-plot": kind.title }, element("h3", {}, title), this.#now, this.#area);
    new ResizeObserver(() => this.#resize()).observe(this.#area);
  }

  show(samples: Samples): void {
    const columns = this.kind.lines.map((line) => line.values(samples));
    const words = this.kind.lines.map((line, place) =>
      `${line.label} ${this.kind.write(columns[place]?.at(-1) ?? null)}`.trim(),
    );
    const isEmpty = words.every((word) => word.endsWith(text("plotEmpty")));
    const both = isEmpty ? text("plotEmpty") : words.join(" · ");
    if (both !== this.#shown) {
      this.#shown = both;
      fill(this.#now, ...(isEmpty ? [both] : words.map((word, place) => this.#key(word, place))));
    }
    this.#area.setAttribute("aria-label", `${text(this.kind.title)}: ${text("plotNow", { value: both })}`);
    const data = [samples.seconds, ...columns] as uPlot.AlignedData;
    if (this.#plot === null) this.#make(data);
    else this.#plot.setData(data);
  }

  /** A value beside the colour of its line, where there are several. */
  #key(word: string, place: number): HTMLElement {
    const colour = this.kind.lines.length > 1 ? this.kind.lines[place]?.colour.slice(2) : "";
    return element("span", { class: colour ? `key ${colour}` : "" }, word);
  }

  #make(data: uPlot.AlignedData): void {
    const width = this.#area.clientWidth;
    if (width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    this.#plot = new uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 20, 0, 0],
        scales: {
          x: { time: true, range: (_plot, least, most) => [Math.min(least, most - SECONDS_MIN), most] },
          y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.15 || 0)] },
        },
        axes: [
          { ...axis, size: 26, space: 70, values: (_plot, seconds) => seconds.map(timeOf) },
          {
            ...axis,
            size: 56,
            space: 32,
            values: (_plot, values) => values.map((value) => figure(value) + this.kind.unit),
          },
        ],
        series: [
          {},
          ...this.kind.lines.map((line) => ({
            stroke: colour(line.colour),
            fill: this.kind.lines.length === 1 ? `${colour(line.colour)}22` : "",
            width: 2,
            points: { show: false },
          })),
        ],
      },
      data,
      this.#area,
    );
  }

  #resize(): void {
    const width = this.#area.clientWidth;
    if (this.#plot !== null && width > 0) this.#plot.setSize({ width, height: HEIGHT });
  }

  /** Draw anew in the colours of now. */
  repaint(samples: Samples): void {
    this.#plot?.destroy();
    this.#plot = null;
    this.show(samples);
  }
}

function timeOf(second: number): string {
  const parts = second % 60 === 0 ? {} : { second: "2-digit" as const };
  return new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", hour12: false, ...parts }).format(
    second * 1000,
  );
}

export class Plots {
  readonly root: HTMLElement;
  #plots = KINDS.map((kind) => new Plot(kind));

  constructor() {
    this.root = element(
      "section",
      { "aria-labelledby": "activity-title" },
      element("h2", { id: "activity-title" }, text("activity")),
      element("div", { class: "plots" }, ...this.#plots.map((plot) => plot.root)),
    );
  }

  show(state: State): void {
    for (const plot of this.#plots) plot.show(state.samples);
  }

  repaint(state: State): void {
    for (const plot of this.#plots) plot.repaint(state.samples);
  }
}
