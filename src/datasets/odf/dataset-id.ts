import { createPrivateKey, createPublicKey } from "node:crypto";
import { type DatasetId, MillraceError, type Random } from "../../base/index.ts";

/** `did:odf:` and, in base16 multibase, the ed25519-pub multicodec (0xed as varint) with the 32 bytes of the key. */
const prefix = "did:odf:fed01";

export function isDatasetId(text: string): text is DatasetId {
  return /^did:odf:fed01[0-9a-f]{64}$/.test(text);
}

/** @throws chain_broken on what is no dataset's id */
export function datasetId(text: string): DatasetId {
  if (isDatasetId(text)) return text;
  throw new MillraceError("chain_broken", `"${text.slice(0, 100)}" is not the id of a dataset.`);
}

export function datasetIdBytes(id: DatasetId): Uint8Array {
  return Buffer.from(id.slice("did:odf:f".length), "hex");
}

/** @throws chain_broken */
export function datasetIdFromBytes(bytes: Uint8Array): DatasetId {
  return datasetId(`did:odf:f${Buffer.from(bytes).toString("hex")}`);
}

/** The id of an ed25519 public key of 32 bytes. */
export function datasetIdOfKey(publicKey: Uint8Array): DatasetId {
  return datasetId(prefix + Buffer.from(publicKey).toString("hex"));
}

/**
 * The id of a new dataset: the public key of an ed25519 pair made from 32 random bytes. The private part is thrown away;
 * README.md says why.
 */
export function newDatasetId(random: Random): DatasetId {
  return datasetIdOfKey(publicKeyOfSeed(random.bytes(32)));
}

/** RFC 8032: the public key of a 32-byte seed, through the PKCS #8 form of RFC 8410. */
export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  const header = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([header, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return spki.subarray(spki.length - 32);
}
