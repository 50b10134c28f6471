import { MillraceError } from "../../base/index.ts";
import type { MetadataBlock } from "../odf/index.ts";
import { checkpoint } from "./checkpoint.ts";
import { datasetKind } from "./dataset-kind.ts";
import { link } from "./link.ts";
import { notEmpty } from "./not-empty.ts";
import { offsets } from "./offsets.ts";
import type { Rule, Tip } from "./rule.ts";
import { schema } from "./schema.ts";
import { seed } from "./seed.ts";
import { sequence } from "./sequence.ts";
import { systemTime } from "./system-time.ts";
import { watermark } from "./watermark.ts";

export type { Tip } from "./rule.ts";

const rules: readonly Rule[] = [
  sequence,
  link,
  systemTime,
  seed,
  datasetKind,
  schema,
  offsets,
  checkpoint,
  watermark,
  notEmpty,
];

/** @throws chain_broken with the first rule that the block breaks */
export function checkRules(before: Tip, block: MetadataBlock): void {
  for (const rule of rules) {
    const problem = rule(before, block);
    if (problem !== null) {
      throw new MillraceError("chain_broken", `Block ${block.sequenceNumber} cannot follow: ${problem}.`, {
        data: { seq: block.sequenceNumber, problem },
      });
    }
  }
}
