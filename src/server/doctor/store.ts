import type { Clock, Random } from "../../base/index.ts";
import { type ObjectStore, probeStore } from "../../storage/index.ts";
import { formats, storeFormat } from "../formats.ts";
import { type Finding, failed, finding } from "./finding.ts";

/** A clock that is further off than this puts commits into the future, or makes expiries wrong. */
const mostSkewMs = 5_000;

/**
 * The object store: whether it answers, keeps what commits stand on, and is of a format that this version reads.
 * @returns whether what lies in it can be looked at
 */
export async function* storeFindings(
  store: ObjectStore,
  parts: { readonly address: string; readonly random: Random; readonly clock: Clock; readonly quick: boolean },
  signal: AbortSignal,
): AsyncGenerator<Finding, boolean> {
  const { address, random, clock, quick } = parts;
  try {
    const format = await storeFormat(store, signal);
    if (format !== null && format > formats.objectStore) {
      const text = `${address} has format ${format}; this version reads up to ${formats.objectStore}.`;
      yield finding("object store", "problem", text, "Run the newer Millrace that has used it.");
      return false;
    }
    const said =
      format === null
        ? "is empty"
        : `has format ${format}${format < formats.objectStore ? "; the next start brings it to this version's" : ""}`;
    yield finding("object store", "ok", `${address} answers, and ${said}.`);
  } catch (error) {
    yield failed("object store", error);
    return false;
  }
  if (quick) return true;
  yield await probed(store, random);
  yield await storeClock(store, random, clock);
  return true;
}

async function probed(store: ObjectStore, random: Random): Promise<Finding> {
  const check = "conditional writes";
  try {
    await probeStore(store, random);
    return finding(check, "ok", "Of many who create one object at the same moment, one wins.");
  } catch (error) {
    return failed(check, error);
  }
}

async function storeClock(store: ObjectStore, random: Random, clock: Clock): Promise<Finding> {
  const check = "clock of the store";
  const key = `probe/clock-${Buffer.from(random.bytes(8)).toString("hex")}`;
  try {
    const before = clock.now();
    await store.put(key, new Uint8Array(1));
    const found = await store.stat(key);
    const skewMs = found === null ? 0 : Math.max(before - found.modifiedMs, found.modifiedMs - clock.now());
    return skewFinding(check, "the object store", skewMs);
  } catch (error) {
    return failed(check, error);
  } finally {
    await store.delete(key).catch(() => {});
  }
}

export function skewFinding(check: string, whose: string, skewMs: number): Finding {
  if (skewMs <= mostSkewMs) return finding(check, "ok", `This machine and ${whose} agree on the time.`);
  const text = `This machine and ${whose} differ by ${Math.round(skewMs / 1_000)} s.`;
  return finding(
    check,
    "warning",
    text,
    "Keep both clocks by NTP: commits carry the time of the machine that makes them.",
  );
}
