import type { RunLeases } from "../../src/streams/index.ts";

/** Every process runs what it keeps: the chain says whose run it takes. */
export const noLeases: RunLeases = {
  elsewhereMs: () => 0,
  take: async () => ({ [Symbol.dispose]() {} }),
  seize: async () => {},
  forget: async () => {},
  stop: async () => {},
};
