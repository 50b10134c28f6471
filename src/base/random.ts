import { randomFillSync } from "node:crypto";

/** Where chance comes from: keys, ids, jitter. Injected, so that a seed replays a whole run. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
}

/** The operating system's cryptographic generator. */
export const systemRandom: Random = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
  float: () => {
    const word = new DataView(randomFillSync(new Uint8Array(4)).buffer).getUint32(0);
    return word / 0x1_0000_0000;
  },
};

/** A reproducible generator for tests and simulation: mulberry32. Never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    float: () => next() / 0x1_0000_0000,
  };
}
