/** JSON laid out for reading without being parsed: numbers of any size and the order of members stay as published. */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** A JSON text with a member or an element on each line. A text that is no JSON comes back in pieces, never as an error. */
export function pretty(text) {
  const tokens = text.match(TOKEN) ?? [];
  const written = [];
  let depth = 0;
  const newLine = () => written.push("\n", "  ".repeat(depth));
  tokens.forEach((token, at) => {
    const before = tokens[at - 1];
    if (token === "}" || token === "]") {
      depth = Math.max(0, depth - 1);
      if (before !== "{" && before !== "[") newLine();
    } else if (before === "{" || before === "[") newLine();
    written.push(token === ":" ? ": " : token);
    if (token === "{" || token === "[") depth += 1;
    if (token === ",") newLine();
  });
  return written.join("");
}
