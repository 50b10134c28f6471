import { MillraceError } from "../../base/index.ts";
import { metadataBlock } from "./event-wires.ts";
import type { MetadataBlock } from "./events.ts";
import { TableReader } from "./table-reader.ts";
import { TableWriter } from "./table-writer.ts";
import { broken, bytes, int32, newer, table, uint64 } from "./wire.ts";

/** Kind (a multicodec for an ODF metadata block) and version of the manifest around a block. */
const manifestKind = 0x400000;
const manifestVersion = 3;

interface Manifest {
  readonly kind: number;
  readonly version: number;
  readonly content: Uint8Array;
}

const asIs = (content: Uint8Array) => content;
const manifest = table<Manifest>({ kind: uint64, version: int32, content: bytes(asIs, asIs) });

/** The bytes of a block, which its name is the hash of. */
export function encodeBlock({ prevBlockHash, ...block }: MetadataBlock): Uint8Array {
  const inner = new TableWriter();
  const wire = prevBlockHash === null ? block : { ...block, prevBlockHash };
  const content = inner.finish(metadataBlock.writeTable(inner, wire));
  const outer = new TableWriter();
  return outer.finish(manifest.writeTable(outer, { kind: manifestKind, version: manifestVersion, content }));
}

/**
 * Reads a block's bytes.
 * @throws chain_broken on bytes that are no block; unsupported_version on another version of the manifest, and on events,
 * types or codes that the specification of version 3 did not have when this was written
 */
export function decodeBlock(bytes: Uint8Array): MetadataBlock {
  try {
    const { kind, version, content } = manifest.readTable(TableReader.root(bytes));
    if (kind !== manifestKind) throw broken("its manifest is of another kind");
    if (version !== manifestVersion)
      throw newer(`has manifest version ${version}; this version reads ${manifestVersion}`);
    const block = metadataBlock.readTable(TableReader.root(content));
    return { ...block, prevBlockHash: block.prevBlockHash ?? null };
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError("chain_broken", "The block cannot be read: its bytes are no metadata block.", { cause });
  }
}
