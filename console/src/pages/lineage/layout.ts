/**
 * Places a graph in layers from left to right: an input lies left of what is made of it. Drawn by ourselves, since a graph of datasets has
 * no circles and some hundred nodes at most: a library for any graph would weigh more than all other pages together.
 */
export interface LaidOut {
  readonly places: ReadonlyMap<string, Placement>;
  readonly routes: readonly Route[];
  readonly width: number;
  readonly height: number;
}

export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly layer: number;
}

/** An edge's way past the nodes between its ends: from the right side of one to the left side of the other. */
export interface Route {
  readonly from: string;
  readonly to: string;
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
}

export const nodeSize = { width: 232, height: 60 } as const;
const gap = { x: 104, y: 20 } as const;
const margin = 24;
/** Room that an edge takes where it passes a layer. */
const passHeight = 14;
const sweeps = 8;

/** A node, or the place in a layer that an edge passes through. */
interface Slot {
  readonly key: string;
  readonly height: number;
  readonly before: Slot[];
  readonly behind: Slot[];
  /** Its middle. */
  y: number;
}

export function layOut(ids: readonly string[], edges: readonly Edge[]): LaidOut {
  const layerOf = layersOf(ids, edges);
  const layers: Slot[][] = [];
  const slots = new Map(ids.map((id) => [id, slot(id, nodeSize.height)]));
  const put = (layer: number, one: Slot) => {
    layers[layer] ??= [];
    layers[layer].push(one);
  };
  for (const [id, one] of slots) put(layerOf.get(id) ?? 0, one);
  const passes = edges.map(({ from, to }, at) => {
    const [first, last] = [slots.get(from), slots.get(to)];
    const way: Slot[] = [];
    if (first === undefined || last === undefined) return way;
    let before = first;
    for (let layer = (layerOf.get(from) ?? 0) + 1; layer < (layerOf.get(to) ?? 0); layer++) {
      const pass = slot(`${at} ${layer}`, passHeight);
      put(layer, pass);
      tie(before, pass);
      way.push(pass);
      before = pass;
    }
    tie(before, last);
    return way;
  });
  for (let layer = 0; layer < layers.length; layer++) layers[layer] ??= [];
  order(layers);
  settle(layers);
  return drawn({ ids, edges, layers, layerOf, slots, passes });
}

const slot = (key: string, height: number): Slot => ({ key, height, before: [], behind: [], y: 0 });

function tie(before: Slot, behind: Slot): void {
  before.behind.push(behind);
  behind.before.push(before);
}

/** One behind the last of its inputs. What a circle holds, which no lineage has, stays in the first layer. */
function layersOf(ids: readonly string[], edges: readonly Edge[]): ReadonlyMap<string, number> {
  const layers = new Map(ids.map((id) => [id, 0]));
  const waiting = new Map(ids.map((id) => [id, edges.filter(({ to }) => to === id).length]));
  const readers = Map.groupBy(edges, ({ from }) => from);
  const ready = ids.filter((id) => waiting.get(id) === 0);
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const { to } of readers.get(id) ?? []) {
      layers.set(to, Math.max(layers.get(to) ?? 0, (layers.get(id) ?? 0) + 1));
      const left = (waiting.get(to) ?? 1) - 1;
      waiting.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  return layers;
}

/** Each layer by the mean place of what its slots are tied to, to and fro: fewer edges cross. */
function order(layers: readonly Slot[][]): void {
  // The last goes forth: what is made of one thing stands together.
  for (let sweep = 0; sweep <= sweeps; sweep++) {
    const isForth = sweep % 2 === 0;
    const places = new Map<Slot, number>();
    for (const layer of layers) for (const [at, one] of layer.entries()) places.set(one, at / layer.length);
    for (const layer of isForth ? layers : layers.toReversed()) {
      const wanted = new Map(
        layer.map((one) => {
          const tied = isForth ? one.before : one.behind;
          const mean = tied.reduce((sum, other) => sum + (places.get(other) ?? 0), 0) / tied.length;
          return [one, tied.length === 0 ? (places.get(one) ?? 0) : mean];
        }),
      );
      layer.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      for (const [at, one] of layer.entries()) places.set(one, at / layer.length);
    }
  }
}

/** Moves each layer, in its order, as near to what it is tied to as there is room. */
function settle(layers: readonly Slot[][]): void {
  for (const layer of layers) place(layer, () => 0);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const isForth = sweep % 2 === 0;
    for (const layer of isForth ? layers : layers.toReversed())
      place(layer, (one) => {
        const tied = isForth ? one.before : one.behind;
        return tied.length === 0 ? one.y : tied.reduce((sum, { y }) => sum + y, 0) / tied.length;
      });
  }
}

/** The middles nearest to the wanted ones, by least squares, at which no slot of a layer lies over another. */
function place(layer: readonly Slot[], wanted: (one: Slot) => number): void {
  const offsets: number[] = [];
  for (const [at, one] of layer.entries()) {
    const above = layer[at - 1];
    offsets.push(above === undefined ? 0 : (offsets[at - 1] ?? 0) + (above.height + one.height) / 2 + gap.y);
  }
  // Without their offsets the middles may only grow: neighbours that would not are put at their mean.
  const groups: { sum: number; size: number }[] = [];
  for (const [at, one] of layer.entries()) {
    let group = { sum: wanted(one) - (offsets[at] ?? 0), size: 1 };
    for (let last = groups.at(-1); last !== undefined; last = groups.at(-1)) {
      if (last.sum / last.size <= group.sum / group.size) break;
      group = { sum: last.sum + group.sum, size: last.size + group.size };
      groups.pop();
    }
    groups.push(group);
  }
  const middles = groups.flatMap(({ sum, size }) => Array.from({ length: size }, () => sum / size));
  for (const [at, one] of layer.entries()) one.y = (middles[at] ?? 0) + (offsets[at] ?? 0);
}

function drawn({
  ids,
  edges,
  layers,
  layerOf,
  slots,
  passes,
}: {
  readonly ids: readonly string[];
  readonly edges: readonly Edge[];
  readonly layers: readonly Slot[][];
  readonly layerOf: ReadonlyMap<string, number>;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly passes: readonly (readonly Slot[])[];
}): LaidOut {
  const all = layers.flat();
  const top = Math.min(0, ...all.map(({ y, height }) => y - height / 2)) - margin;
  const bottom = Math.max(0, ...all.map(({ y, height }) => y + height / 2)) + margin;
  const left = (layer: number) => margin + layer * (nodeSize.width + gap.x);
  const middle = (one: Slot | undefined) => (one?.y ?? 0) - top;
  const places = new Map(
    ids.map((id) => {
      const layer = layerOf.get(id) ?? 0;
      return [id, { x: left(layer), y: middle(slots.get(id)) - nodeSize.height / 2, layer }];
    }),
  );
  const routes = edges.map(({ from, to }, at): Route => {
    const first = layerOf.get(from) ?? 0;
    const between = (passes[at] ?? []).flatMap((pass, step) => {
      const x = left(first + 1 + step);
      return [
        { x, y: middle(pass) },
        { x: x + nodeSize.width, y: middle(pass) },
      ];
    });
    const start = { x: left(first) + nodeSize.width, y: middle(slots.get(from)) };
    return { from, to, points: [start, ...between, { x: left(layerOf.get(to) ?? 0), y: middle(slots.get(to)) }] };
  });
  const width = left(Math.max(0, layers.length - 1)) + nodeSize.width + margin;
  return { places, routes, width, height: ids.length === 0 ? 0 : bottom - top };
}
