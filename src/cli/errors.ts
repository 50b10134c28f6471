import { asMillraceError } from "../base/index.ts";
import { printable } from "./table.ts";

/** An error for a person: the sentence, the place in their text, what to do next, and the code. Ends with a line break. */
export function describeError(error: unknown, text?: string): string {
  if (error instanceof Error && error.name === "AbortError") return "cancelled\n";
  const { code, message, hint, position, data, cause } = asMillraceError(error);
  const lines = [`error: ${safe(message)}`];
  if (position !== undefined && text !== undefined) {
    const source = text.split("\n")[position.line - 1] ?? "";
    lines.push(`  ${printable(source)}`, `  ${" ".repeat(Math.max(0, position.column - 1))}^`);
  }
  if (hint !== undefined) lines.push(`hint: ${safe(hint)}`);
  if (code === "internal" && cause instanceof Error) lines.push(`cause: ${safe(cause.message)}`);
  const traceId = data?.traceId;
  lines.push(`(${code}${typeof traceId === "string" ? `, trace ${traceId}` : ""})`);
  return `${lines.join("\n")}\n`;
}

function safe(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
