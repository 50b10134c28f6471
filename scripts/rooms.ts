/**
 * The one list of rooms. A room may import rooms of lower layers only, through their `index.ts`; never one of its own
 * layer, types included. `npm run check` enforces it, and ARCHITECTURE.md shows the same list.
 */
export const layers: readonly (readonly string[])[] = [
  ["base"],
  ["storage", "compiler", "slices"],
  ["resources", "tasks", "bus"],
  ["identity", "datasets", "engines"],
  ["ingest", "queries", "streams", "lookups", "telemetry"],
  ["gateway"],
  ["server"],
  ["cli"],
];

export function layerOf(room: string): number {
  return layers.findIndex((rooms) => rooms.includes(room));
}
