/** A cell: a row of the shown order, and a column's place from the left. */
export interface Cell {
  readonly row: number;
  readonly at: number;
}

/** The cells between the one that was begun with and the one that is active. */
export interface Selection {
  readonly anchor: Cell;
  readonly active: Cell;
}

export interface Area {
  readonly rows: number;
  readonly columns: number;
  /** Rows of a page. */
  readonly page: number;
}

export interface Block {
  readonly fromRow: number;
  readonly toRow: number;
  readonly fromAt: number;
  readonly toAt: number;
}

export function blockOf({ anchor, active }: Selection): Block {
  return {
    fromRow: Math.min(anchor.row, active.row),
    toRow: Math.max(anchor.row, active.row),
    fromAt: Math.min(anchor.at, active.at),
    toAt: Math.max(anchor.at, active.at),
  };
}

export const holds = ({ fromRow, toRow, fromAt, toAt }: Block, row: number, at: number): boolean =>
  row >= fromRow && row <= toRow && at >= fromAt && at <= toAt;

interface Keys {
  readonly key: string;
  readonly isWide: boolean;
  readonly isExtending: boolean;
}

/** What a key of the grid selects; null where it is not one that moves. */
export function moved(selection: Selection, { key, isWide, isExtending }: Keys, area: Area): Selection | null {
  if (area.rows === 0 || area.columns === 0) return null;
  const { row, at } = selection.active;
  const [lastRow, lastAt] = [area.rows - 1, area.columns - 1];
  const targets: Record<string, Cell> = {
    ArrowUp: { row: isWide ? 0 : row - 1, at },
    ArrowDown: { row: isWide ? lastRow : row + 1, at },
    ArrowLeft: { row, at: isWide ? 0 : at - 1 },
    ArrowRight: { row, at: isWide ? lastAt : at + 1 },
    PageUp: { row: row - area.page, at },
    PageDown: { row: row + area.page, at },
    Home: { row: isWide ? 0 : row, at: 0 },
    End: { row: isWide ? lastRow : row, at: lastAt },
  };
  if (key.toLowerCase() === "a" && isWide) {
    return { anchor: { row: 0, at: 0 }, active: { row: lastRow, at: lastAt } };
  }
  const target = targets[key];
  if (target === undefined) return null;
  const active = { row: within(target.row, lastRow), at: within(target.at, lastAt) };
  return { anchor: isExtending ? selection.anchor : active, active };
}

const within = (value: number, last: number): number => Math.min(last, Math.max(0, value));

/** Copied at once: beyond it a file serves better. */
export const mostCopied = 2_000_000;

/** Cells as spreadsheets take them: tabs between, a line a row; texts that hold either are quoted. */
export function tsvOf(block: Block, textAt: (row: number, at: number) => string | null): string {
  const lines: string[] = [];
  for (let row = block.fromRow; row <= block.toRow; row++) {
    const cells: string[] = [];
    for (let at = block.fromAt; at <= block.toAt; at++) cells.push(quoted(textAt(row, at) ?? ""));
    lines.push(cells.join("\t"));
  }
  return lines.join("\n");
}

const quoted = (text: string): string => (/[\t\n\r"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
