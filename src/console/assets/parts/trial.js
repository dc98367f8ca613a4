/** What an endpoint answered when it was asked: of a test, a verification or an attempt of a delivery. */
import { html } from "../lib/html.js";
import { duration } from "../lib/format.js";
import { Status, Time } from "./ui.js";

const lines = (headers) => Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");

/** A status and a time, or why there was no answer. `passed` says whether it counts as a success. */
export function Outcome({ attempt, passed }) {
  return html`<p>
    <${Status} of=${passed ? "passed" : "failed"} />${" "}
    ${attempt.status ? html`HTTP ${attempt.status} after ${duration(attempt.latency_ms)}` : html`no answer`}
    ${attempt.error && html`: ${attempt.error}`}
    ${attempt.passed === false && !attempt.error && html`: that is not the consent it was asked for`}
  </p>`;
}

function Part({ title, headers, body, open }) {
  const head = lines(headers);
  return html`<details open=${open}>
    <summary>${title}</summary>
    ${head && html`<pre tabindex="0">${head}</pre>`}
    ${body ? html`<pre class="body" tabindex="0">${body}</pre>` : html`<p class="soft">No body.</p>`}
  </details>`;
}

/** A test or verification: the outcome, what was sent when it is known, what came back. */
export function Trial({ attempt }) {
  return html`<div class="trial" role="status">
    <${Outcome} attempt=${attempt} passed=${attempt.success ?? attempt.passed} />
    ${attempt.request && html`<${Part} title="What was sent" headers=${attempt.request.headers} body=${attempt.request.body} />`}
    ${attempt.response && html`<${Part} title="What came back" headers=${attempt.response.headers} body=${attempt.response.body} />`}
  </div>`;
}

/** One attempt of a delivery. */
export function Attempt({ attempt, delivered }) {
  return html`<section class="trial" aria-label=${`Attempt ${attempt.attempt}`}>
    <h3>Attempt ${attempt.attempt}, <${Time} at=${attempt.at} /></h3>
    <${Outcome} attempt=${attempt} passed=${delivered} />
    ${attempt.replay_id && html`<p class="soft">Of the replay <code>${attempt.replay_id}</code>.</p>`}
    <${Part} title="Request" headers=${attempt.request.headers} body="The event, as the destination's format says." />
    ${attempt.status && html`<${Part} title="Response" headers=${attempt.response.headers} body=${attempt.response.body} open=${!delivered} />`}
  </section>`;
}
