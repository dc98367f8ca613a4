/** Reading the broker's metrics page (Prometheus text 0.0.4) into numbers. */

/** A page as a map of names to samples, `{ labels, value }` each. */
export function parse(page) {
  const families = new Map();
  for (const line of page.split("\n")) {
    const sample = line.startsWith("#") ? null : /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!sample) continue;
    const [, name, labels = "", value] = sample;
    if (!families.has(name)) families.set(name, []);
    families.get(name).push({ labels: labelsOf(labels), value: Number(value) });
  }
  return families;
}

function labelsOf(text) {
  const labels = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}

/** The sum of a metric's samples whose labels pass; undefined when the broker has no such metric. */
export function sum(families, name, passes = () => true) {
  const samples = families?.get(name)?.filter(({ labels }) => passes(labels));
  return samples?.reduce((total, { value }) => total + value, 0);
}
