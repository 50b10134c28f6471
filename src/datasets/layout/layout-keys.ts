import type { Multihash } from "../../slices/index.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { type Region, regionName } from "./region.ts";

/** Where a dataset's layout lies, and what says which of its data is kept. */
export class LayoutKeys extends DatasetKeys {
  get blocksFolder(): string {
    return `${this.root}blocks/`;
  }

  get dataFolder(): string {
    return `${this.root}data/`;
  }

  get quarantineFolder(): string {
    return `${this.root}quarantine/`;
  }

  /** Which files hold the rows of a region. */
  region(region: Region): string {
    return `${this.regionsFolder}${regionName(region)}`;
  }

  get regionsFolder(): string {
    return `${this.root}layout/regions/`;
  }

  /** A copy that was written for a region. */
  copy(region: Region, hash: Multihash): string {
    return `${this.copyPrefix(region)}${hash}`;
  }

  copyPrefix(region: Region): string {
    return `${this.copiesFolder}${regionName(region).replace("/", "-")}-`;
  }

  /** Of a copy, by its name behind the folder: that of its region, and its hash. */
  copyNamed(name: string): string {
    return `${this.copiesFolder}${name}`;
  }

  copyName(key: string): string {
    return key.slice(this.copiesFolder.length);
  }

  get copiesFolder(): string {
    return `${this.root}layout/data/`;
  }

  /** A note: originals of lower sequence numbers are superseded, or stay for good. */
  get superseded(): string {
    return `${this.root}layout/superseded`;
  }

  /** A note: slices of lower sequence numbers have expired and are deleted. */
  get expiredNote(): string {
    return `${this.root}layout/expired`;
  }

  /** Rows below the offset have expired; of these names the greatest counts. */
  expired(offset: number): string {
    return `${this.expiredFolder}${String(offset).padStart(16, "0")}`;
  }

  get expiredFolder(): string {
    return `${this.root}expired/`;
  }
}
