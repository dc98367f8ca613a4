/** Charts of the last minutes: uPlot with the colours of the page, and a table that says the same in words. */
import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef } from "./html.js";
import { rate, time } from "./format.js";

const HEIGHT = 180;

function colour(name) {
  // Through a property that resolves light-dark(), which a custom property alone does not.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function optionsFor(series, width) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
    axes: [axis, { ...axis, size: 50 }],
    series: [{}, ...series.map(({ line }) => ({ stroke: colour(line), width: 2, points: { show: false } }))],
  };
}

/**
 * A line chart. `times` are seconds since the epoch, `series` are `{ name, line, values }` with `line` the CSS variable of
 * its colour. It follows the width of its place and the scheme of the page.
 */
export function Chart({ title, times, series }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const node = place.current;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(series, node.clientWidth), dataOf(times, series), node);
    };
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: node.clientWidth, height: HEIGHT }));
    const restyled = new MutationObserver(draw);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    draw();
    resized.observe(node);
    restyled.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      restyled.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current.destroy();
      plot.current = null;
    };
  }, [series.map(({ name }) => name).join()]);
  useEffect(() => plot.current?.setData(dataOf(times, series)));
  return html`<figure class="chart">
    <figcaption>
      ${title}
      ${series.map(({ name, line }) => html`<span class="key"><i style=${{ background: `var(${line})` }}></i>${name}</span>`)}
    </figcaption>
    <div ref=${place} aria-hidden="true"></div>
    <details>
      <summary>As a table</summary>
      <${Table} times=${times} series=${series} />
    </details>
  </figure>`;
}

const dataOf = (times, series) => [times, ...series.map(({ values }) => values)];

/** The newest ten points. */
function Table({ times, series }) {
  const newest = times.map((_, at) => at).slice(-10).reverse();
  return html`<table>
    <thead><tr><th>Time</th>${series.map(({ name }) => html`<th>${name}</th>`)}</tr></thead>
    <tbody>
      ${newest.map((at) => html`<tr><td>${time(times[at] * 1000)}</td>${series.map(({ values }) => html`<td>${rate(values[at])}</td>`)}</tr>`)}
    </tbody>
  </table>`;
}
