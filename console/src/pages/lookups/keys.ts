/** A key of several columns is their texts joined by colons, with a backslash before each colon and backslash within. */
export function joinKey(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] ?? "") : parts.map((part) => part.replace(/[\\:]/g, "\\$&")).join(":");
}

/** The texts of a key of so many columns. */
export function splitKey(key: string, columns: number): string[] {
  if (columns === 1) return [key];
  const parts = [""];
  for (const [, escaped, colon, plain] of key.matchAll(/\\([\s\S])|(:)|([\s\S])/g)) {
    if (colon !== undefined && parts.length < columns) parts.push("");
    else parts.push(`${parts.pop() ?? ""}${escaped ?? colon ?? plain ?? ""}`);
  }
  return Array.from({ length: columns }, (_, at) => parts[at] ?? "");
}
