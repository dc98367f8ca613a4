/** Preact, its hooks and htm's tagged templates, from one place. Text put into a template is escaped by Preact. */
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render } from "../vendor/preact.js";
export { useCallback, useEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
