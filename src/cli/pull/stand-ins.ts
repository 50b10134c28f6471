import { MillraceError } from "../../base/index.ts";
import { type Brought, counted, type GoneSlice, type Transport } from "./objects.ts";
import type { OfferedRegion } from "./replica.ts";
import { patiently } from "./retries.ts";

/** Times that a region is asked for anew because the origin compacted it further meanwhile. */
const mostOffers = 5;

export interface StandInsJob extends Transport {
  readonly dropExpired: boolean;
}

/**
 * Brings what stands at the origin for slices that it no longer has: the compacted copies of their regions, or the word that
 * their rows have expired. The copy proves the one and takes the other on trust.
 */
export class StandIns {
  readonly #job: StandInsJob;
  /** Blocks whose regions were taken: one that still lacks its slice then is not held by what the origin gave. */
  readonly #taken = new Set<string>();

  constructor(job: StandInsJob) {
    this.#job = job;
  }

  /**
   * For the first of these slices, and with it for all that its region or the expiry covers: the rest is asked for again.
   * @throws data_expired where nothing stands for it; replica_refused
   */
  async bring(gone: readonly GoneSlice[]): Promise<Brought> {
    const nothing = { objects: 0, bytes: 0 };
    const expired = gone.filter((one) => isExpired(one));
    const lastExpired = Math.max(...expired.map(({ expiredBefore }) => expiredBefore));
    if (expired.length > 0) {
      await this.#job.replica.expire(lastExpired, this.#job.dropExpired);
      return nothing;
    }
    const [first] = [...gone].sort((a, b) => (a.object.lastOffset ?? 0) - (b.object.lastOffset ?? 0));
    return first === undefined ? nothing : await this.#region(first);
  }

  async #region({ object, error, expiredBefore }: GoneSlice): Promise<Brought> {
    const { origin, signal } = this.#job;
    if (this.#taken.has(object.block))
      throw new MillraceError("replica_refused", `What stands at the origin for ${object.hash} does not hold it.`, {
        hint: "Ask who keeps the origin; `millrace verify` there tells more.",
      });
    let [objects, bytes] = [0, 0];
    for (let offers = 1; ; offers++) {
      const manifest = await patiently(signal, () => origin.region(object.block, signal));
      if (manifest === null) throw error;
      const { missing, ...region } = await this.#offer(manifest, expiredBefore);
      if (missing.length === 0) break;
      if (offers === mostOffers) throw error;
      for (const file of missing) {
        if (!(await this.#file({ ...region, missing }, file))) break; // another copy has its rows by now
        objects++;
        bytes += file.sizeBytes;
      }
    }
    this.#taken.add(object.block);
    return { objects, bytes };
  }

  /** Rows at the beginning of a region may have expired at the origin, and be neither here nor expired here. */
  async #offer(manifest: Uint8Array, expiredBefore: number): Promise<OfferedRegion> {
    const { replica, signal, dropExpired } = this.#job;
    const offer = () => patiently(signal, () => replica.offerRegion(manifest));
    try {
      return await offer();
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "data_expired" || expiredBefore === 0) throw error;
      await replica.expire(expiredBefore, dropExpired);
      return await offer();
    }
  }

  /** Whether the origin still had it. */
  async #file(region: OfferedRegion, file: OfferedRegion["missing"][number]): Promise<boolean> {
    const { origin, replica, progress, signal } = this.#job;
    try {
      await patiently(signal, () =>
        replica.putCopy(region, file, counted(origin.copy(file.name, file.sizeBytes, signal), progress)),
      );
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.code === "data_expired") return false;
      throw error;
    }
  }
}

function isExpired({ object, expiredBefore }: GoneSlice): boolean {
  return object.lastOffset !== null && object.lastOffset < expiredBefore;
}
