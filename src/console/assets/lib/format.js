/** How times, durations, numbers and bytes are written. Times are shown in the browser's zone, exact ones in UTC. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1, notation: "compact" });

/** A time of day, with the date when it is not today's, and the year when it is another. */
export function time(at, now = new Date()) {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return String(at);
  if (then.toDateString() === now.toDateString()) return clock.format(then);
  return `${(then.getFullYear() === now.getFullYear() ? day : date).format(then)} ${clock.format(then)}`;
}

const UNITS = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1000, "s"]];

/** Milliseconds as a person says them: `850 ms`, `4.2 s`, `3 min`, `2 d`. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  const unit = UNITS.find(([size]) => Math.abs(milliseconds) >= size);
  if (!unit) return `${Math.round(milliseconds)} ms`;
  const amount = milliseconds / unit[0];
  return `${amount < 10 ? Number(amount.toFixed(1)) : Math.round(amount)} ${unit[1]}`;
}

/** How long ago, or how long until. */
export function ago(at, now = Date.now()) {
  const apart = now - new Date(at).getTime();
  return apart >= 0 ? `${duration(apart)} ago` : `in ${duration(-apart)}`;
}

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);
}

/** A rate per second: small ones with a digit, so that a slow trickle is not nothing. */
export function rate(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return value > 0 && value < 10 ? value.toFixed(1) : number(value);
}

export function percent(part) {
  if (part === null || part === undefined) return "–";
  const value = part * 100;
  return `${value === 100 || value === 0 ? value : value.toFixed(1)} %`;
}

const SIZES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const size = SIZES.find(([least]) => count >= least);
  return size ? `${(count / size[0]).toFixed(1)} ${size[1]}` : `${count} bytes`;
}

/** A time of the browser's zone, as an input gives it, as the API takes it. */
export const exact = (local) => (local ? new Date(local).toISOString() : undefined);

/** A time as an input of the browser's zone takes it, to the second. */
export function local(at) {
  const date = new Date(at);
  if (!at || Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
