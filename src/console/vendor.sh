#!/usr/bin/env bash
# Fetches the console's libraries again, as they are named in NOTICE: `src/console/vendor.sh`. Two things are changed, so
# that browsers take them without a build: imports by name become imports by path, and a script says what it exports.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)/assets/vendor"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

get() {
  (cd "$work" && npm pack --silent "$1@$2" >/dev/null && mkdir "$1" && tar xzf "$1-$2.tgz" -C "$1" --strip-components 1)
}
get preact 11.2.0
get htm 3.1.1
get uplot 1.6.32

no_map() { sed '/^\/\/# sourceMappingURL=/d' "$1"; }
no_map "$work/preact/dist/preact.mjs" >"$here/preact.js"
no_map "$work/preact/hooks/dist/hooks.mjs" | sed 's#from"preact"#from"./preact.js"#' >"$here/hooks.js"
no_map "$work/htm/dist/htm.module.js" >"$here/htm.js"
{ cat "$work/uplot/dist/uPlot.iife.min.js"; printf '\nexport default uPlot;\n'; } >"$here/uplot.js"
cp "$work/uplot/dist/uPlot.min.css" "$here/uplot.css"
cd "$here" && sha256sum ./*.js ./*.css
