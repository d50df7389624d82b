// Numbers, sizes and times for people, in the language of the page.

import { language } from "./texts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A count, with the separators of the language; a dash for unknown. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : new Intl.NumberFormat(language()).format(value);
}

/** A rate or duration with three digits at most that mean something. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
}

/** Milliseconds, as seconds when there are many. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  return ms >= 1000 ? `${figure(ms / 1000)} s` : `${figure(ms)} ms`;
}

/** Bytes in binary units. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${figure(rest)} ${UNITS[unit]}`;
}

/** How long something has been up: the two greatest units. */
export function uptime(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(" ");
}

/** The time of day. */
export function clock(ms: number): string {
  return new Intl.DateTimeFormat(language(), {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  }).format(ms);
}

/** A day and time. */
export function moment(ms: number): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(ms);
}
