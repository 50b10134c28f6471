/** The rows of a result that a chart draws, in the order in which it does. */
export interface DrawnRows {
  readonly count: number;
  /** The row of the result that stands at a place. */
  at(place: number): number;
}

/** Those that a grid shows; null: all of them as they came. */
export const drawnRows = (rows: number, shown: Uint32Array | null): DrawnRows =>
  shown === null ? { count: rows, at: (place) => place } : { count: shown.length, at: (place) => shown[place] ?? 0 };
