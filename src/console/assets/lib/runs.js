/**
 * What the events of a run say of it, without a page: `pipeline.started`, `pipeline.stage.NAME` when a stage is complete,
 * `pipeline.retrying`, and `pipeline.completed` or `pipeline.failed` at its end. Times are milliseconds.
 */

const STAGE = "pipeline.stage.";
const ENDS = { "pipeline.completed": "completed", "pipeline.failed": "failed" };

const at = (event) => new Date(event.timestamp).getTime();
const amount = (value) => (typeof value === "number" && value >= 0 ? value : undefined);

/**
 * A run from its events, in the order of the log: `{ pipeline, status, began, ended, took, rows, error, stages, retries }`.
 * A stage is `{ name, began, took, rows }`. Where the end tells all stages, it knows better than what came before it.
 */
export function runOf(events) {
  const first = events.find(({ type }) => type === "pipeline.started") ?? events[0];
  const last = events.findLast(({ type }) => ENDS[type]);
  const told = amount(last?.data.duration_ms);
  const end = last && at(last);
  const began = Math.min(...events.map(at), told === undefined ? Infinity : end - told);
  return {
    pipeline: first.pipeline,
    status: last ? ENDS[last.type] : "running",
    began,
    ended: end,
    took: last && (told ?? end - began),
    rows: amount(last?.data.rows_loaded),
    error: last?.data.error,
    stages: Array.isArray(last?.data.stages) ? toldAtTheEnd(last.data.stages, began) : heard(events, began),
    retries: events.filter(({ type }) => type === "pipeline.retrying").map((event) => ({ at: at(event), data: event.data })),
  };
}

/** One stage after the other, as the end lists them. */
function toldAtTheEnd(stages, began) {
  let next = began;
  return stages.map(({ name, duration_ms: took, rows }) => {
    const stage = { name: String(name), began: next, took: amount(took) ?? 0, rows: amount(rows) };
    next += stage.took;
    return stage;
  });
}

/** A stage is told of when it is complete. One that says no duration took since the one before. */
function heard(events, began) {
  let before = began;
  return events
    .filter(({ type }) => type.startsWith(STAGE))
    .map((event) => {
      const took = amount(event.data.duration_ms) ?? Math.max(0, at(event) - before);
      before = at(event);
      return { name: event.type.slice(STAGE.length), began: at(event) - took, took, rows: amount(event.data.rows) };
    });
}

/** Runs that events belong to, the newest first: `{ id, pipeline, type, at }` of the newest event of each. */
export function runsOf(newestFirst) {
  const runs = new Map();
  for (const { run_id: id, pipeline, type, timestamp } of newestFirst) {
    if (id && !runs.has(id)) runs.set(id, { id, pipeline, type, at: timestamp, status: ENDS[type] ?? "running" });
  }
  return [...runs.values()];
}
