const [star, any, open, close, literal, not, range] = [42, 63, 91, 93, 92, 94, 45];

/** Bytes of a pattern that each match must begin with. */
export function literalPrefix(pattern: Uint8Array): Uint8Array {
  const end = pattern.findIndex((byte) => byte === star || byte === any || byte === open || byte === literal);
  return end < 0 ? pattern : pattern.subarray(0, end);
}

/** Redis's patterns: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, `\` before a byte that stands for itself. Takes no more than pattern times text steps. */
export function matches(pattern: Uint8Array, text: Uint8Array): boolean {
  let [p, t] = [0, 0];
  let [retryPattern, retryText] = [-1, -1];
  while (t < text.length) {
    if (pattern[p] === star) {
      retryPattern = ++p;
      retryText = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] as number) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (retryPattern >= 0) {
      p = retryPattern;
      t = ++retryText;
    } else return false;
  }
  while (pattern[p] === star) p++;
  return p === pattern.length;
}

/** Where the pattern goes on behind what matches this byte; -1 where it does not. */
function matchOne(pattern: Uint8Array, at: number, byte: number): number {
  switch (pattern[at]) {
    case any:
      return at + 1;
    case open:
      return matchClass(pattern, at + 1, byte);
    case literal:
      if (at + 1 < pattern.length) return pattern[at + 1] === byte ? at + 2 : -1;
      return byte === literal ? at + 1 : -1;
    default:
      return pattern[at] === byte ? at + 1 : -1;
  }
}

function matchClass(pattern: Uint8Array, from: number, byte: number): number {
  const isNot = pattern[from] === not;
  let isIn = false;
  let at = isNot ? from + 1 : from;
  for (; at < pattern.length && pattern[at] !== close; at++) {
    if (pattern[at] === literal && at + 1 < pattern.length) at++;
    const first = pattern[at] as number;
    const isRange = pattern[at + 1] === range && at + 2 < pattern.length && pattern[at + 2] !== close;
    const last = isRange ? (pattern[at + 2] as number) : first;
    if (isRange) at += 2;
    isIn ||= (byte >= first && byte <= last) || (byte >= last && byte <= first);
  }
  return isIn === isNot ? -1 : Math.min(at + 1, pattern.length);
}
