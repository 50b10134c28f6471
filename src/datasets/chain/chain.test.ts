import { expect, test } from "vitest";
import { instant, seededRandom } from "../../base/index.ts";
import { sha3Multihash } from "../../slices/index.ts";
import { type MetadataEvent, newDatasetId } from "../odf/index.ts";
import { Chain } from "./chain.ts";
import { addDataEvent } from "./commit.ts";
import { nextBlock } from "./tip.ts";

const id = newDatasetId(seededRandom(1));

test("what packs list is not listed again by a chain that comes there later", () => {
  const chain = new Chain(id);
  const append = (event: MetadataEvent) => {
    const { stored } = nextBlock(chain.tip, event, instant(0));
    chain.append(stored.hash, stored.block, null);
  };
  const putAside = () => {
    const hash = sha3Multihash(Buffer.from(`rows ${chain.seq}`));
    append(
      addDataEvent(chain.tip, {
        expectedSeq: chain.seq,
        quarantine: { localPath: "", physicalHash: hash, rows: 1, size: 1 },
        sourceState: { sourceName: "s", kind: "k", value: String(chain.seq) },
        systemTime: instant(0),
        by: "owner",
      }),
    );
  };
  append({ kind: "Seed", datasetId: id, datasetKind: "Root" });
  putAside();
  // Another server has packed up to block 3; this one has heard of the packs, not of the blocks.
  chain.forgetQuarantines(4);
  while (chain.seq < 5) putAside();
  expect(chain.quarantines.map(({ seq }) => seq)).toEqual([4, 5]);
  expect(Chain.restore(id, chain.state).quarantines.map(({ seq }) => seq)).toEqual([4, 5]);
});
