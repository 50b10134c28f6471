/** Keys that end with the multihash of their bytes, as Open Data Fabric writes it: sha3-256 (0x16), 32 bytes (0x20). */
const named = /(?:^|[/-])(f1620[0-9a-f]{64})$/;
const nameForm = /^f1620[0-9a-f]{64}$/;

/** The name that an object's bytes must meet; null where its key says nothing of them. */
export function contentName(key: string): string | null {
  return named.exec(key)?.[1] ?? null;
}

export function isContentName(name: string): boolean {
  return nameForm.test(name);
}

export const contentHash = "sha3-256";

export function nameOfDigest(digest: Uint8Array): string {
  return `f1620${Buffer.from(digest).toString("hex")}`;
}
