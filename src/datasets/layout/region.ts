/**
 * A part of a dataset's sequence numbers whose rows are compacted together. Those of level 1 are the smallest; each of a higher
 * level is made of `fan` regions of the level below it.
 */
export interface Region {
  readonly level: number;
  readonly index: number;
}

/**
 * Levels that are looked at for every block: a copy of a dataset elsewhere has manifests of regions whose last blocks it does not
 * have yet, up to the largest ones of a chain that is copied (`cli/pull`).
 */
const mostOpenLevels = 5;

/** How a dataset is cut into regions. One size for all servers that share a store. */
export class Regions {
  readonly #first: number;
  readonly #fan: number;

  constructor({ first = 64, fan = 16 }: { readonly first?: number; readonly fan?: number } = {}) {
    this.#first = first;
    this.#fan = fan;
  }

  firstSeq({ level, index }: Region): number {
    return index * this.#span(level);
  }

  lastSeq({ level, index }: Region): number {
    return (index + 1) * this.#span(level) - 1;
  }

  of(level: number, seq: number): Region {
    return { level, index: Math.floor(seq / this.#span(level)) };
  }

  /** The regions that it is made of; none on the first level. */
  children({ level, index }: Region): Region[] {
    if (level === 1) return [];
    return Array.from({ length: this.#fan }, (_, at) => ({ level: level - 1, index: index * this.#fan + at }));
  }

  /** How many regions of a level have all their blocks where this is the newest. */
  closed(level: number, newest: number): number {
    return Math.floor((newest + 1) / this.#span(level));
  }

  /** Whether a block is the last one of a region. */
  endsAt(seq: number): boolean {
    return (seq + 1) % this.#first === 0;
  }

  /** The regions that hold a block and may have a manifest, from low to high. */
  above(seq: number, newest: number, from = 1): Region[] {
    const found: Region[] = [];
    for (let level = from; level <= mostOpenLevels || this.lastSeq(this.of(level, seq)) <= newest; level++)
      found.push(this.of(level, seq));
    return found;
  }

  #span(level: number): number {
    return this.#first * this.#fan ** (level - 1);
  }
}

/**
 * Closed regions that neither are published nor held by one that is; those of low levels first. What is held is not looked
 * into: the cost is that of the gaps, however long the chain is.
 */
export function pendingRegions(regions: Regions, published: readonly Region[], newest: number): Region[] {
  const names = new Set(published.map(regionName));
  const found: Region[] = [];
  const visit = (region: Region) => {
    const isBehind = regions.lastSeq(regions.of(1, regions.firstSeq(region))) > newest;
    if (isBehind || names.has(regionName(region))) return;
    if (regions.lastSeq(region) <= newest) found.push(region);
    for (const child of regions.children(region)) visit(child);
  };
  // An open region may be published too, where a chain is copied: it holds what is below it.
  let level = Math.max(1, ...published.map((region) => region.level));
  while (regions.closed(level + 1, newest) > 0) level++;
  for (let index = 0; regions.firstSeq({ level, index }) <= newest; index++) visit({ level, index });
  return found.sort((a, b) => a.level - b.level || a.index - b.index);
}

export function regionName({ level, index }: Region): string {
  return `${level}/${String(index).padStart(12, "0")}`;
}
