/** One column of a printed table. */
export interface TableColumn {
  readonly name: string;
  readonly align: "left" | "right";
}

/**
 * A table as text: a header, a rule, a line a row. Cells wider than 60 characters are cut when `maxWidth` is given (a
 * terminal), and control characters are shown, never sent to the terminal.
 */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  maxWidth?: number,
): string {
  const widest = maxWidth === undefined ? Number.POSITIVE_INFINITY : Math.max(8, Math.min(60, maxWidth));
  const shown = rows.map((row) => columns.map((_, i) => cut(printable(row[i] ?? ""), widest)));
  const widths = columns.map((column, i) =>
    Math.max(displayWidth(printable(column.name)), ...shown.map((row) => displayWidth(row[i] ?? ""))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const gap = " ".repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(cell)));
        return columns[i]?.align === "right" ? gap + cell : cell + gap;
      })
      .join("  ")
      .trimEnd();
  const header = line(columns.map((column) => printable(column.name)));
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [header, rule, ...shown.map(line), ""].join("\n");
}

/** A table where it fits into `maxWidth`, else each row by itself, a line a value. */
export function renderRows(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  maxWidth?: number,
): string {
  const table = renderTable(columns, rows, maxWidth);
  const [, rule = ""] = table.split("\n");
  if (maxWidth === undefined || rule.length <= maxWidth || rows.length === 0) return table;
  const names = columns.map((column) => printable(column.name));
  const nameWidth = Math.max(...names.map(displayWidth));
  const records = rows.map((row, n) => [
    `── row ${n + 1} ──`,
    ...names.map((name, i) => `${name}${" ".repeat(nameWidth - displayWidth(name))}  ${printable(row[i] ?? "")}`),
  ]);
  return `${records.flat().join("\n")}\n`;
}

/** Control and direction-changing characters made visible, so that data cannot drive the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function cut(text: string, widest: number): string {
  if (displayWidth(text) <= widest) return text;
  let kept = "";
  for (const character of text) {
    if (displayWidth(kept) + displayWidth(character) > widest - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

// East Asian wide and emoji blocks take two cells (Unicode Standard Annex 11, coarsened to blocks).
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;
const zeroWidth = /\p{Mark}/u;

function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (zeroWidth.test(character)) continue;
    width += wide.test(character) ? 2 : 1;
  }
  return width;
}
