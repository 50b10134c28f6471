import { createHash } from "node:crypto";
import type { Brand } from "../base/index.ts";
import { MillraceError } from "../base/index.ts";

/** A multihash as multibase base16 text: `f`, code and length as varints, digest. Names blocks and data objects. */
export type Multihash = Brand<string, "Multihash">;

const sha3Prefix = "f1620";
/** Code 0x300016 of arrow0-sha3-256 as an unsigned varint, and the length 32. */
const arrowPrefix = "f9680c00120";

export function sha3Multihash(bytes: Uint8Array): Multihash {
  return (sha3Prefix + createHash("sha3-256").update(bytes).digest("hex")) as Multihash;
}

export function multihashOfDigest(kind: "sha3-256" | "arrow0-sha3-256", digest: Uint8Array): Multihash {
  return ((kind === "sha3-256" ? sha3Prefix : arrowPrefix) + Buffer.from(digest).toString("hex")) as Multihash;
}

export function isMultihash(text: string): text is Multihash {
  return /^(f1620|f9680c00120)[0-9a-f]{64}$/.test(text);
}

/** @throws chain_broken on anything but the two kinds above */
export function multihash(text: string): Multihash {
  if (isMultihash(text)) return text;
  throw new MillraceError("chain_broken", `"${text.slice(0, 100)}" is not the hash of an object.`);
}

export function multihashBytes(hash: Multihash): Uint8Array {
  return Buffer.from(hash.slice(1), "hex");
}

/** @throws chain_broken */
export function multihashFromBytes(bytes: Uint8Array): Multihash {
  return multihash(`f${Buffer.from(bytes).toString("hex")}`);
}
