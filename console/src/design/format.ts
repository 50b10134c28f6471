const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 */
export const count = (value: number): string => whole.format(value);
/** 12.3K */
export const compact = (value: number): string =>
  Math.abs(value) < 10_000 ? whole.format(value) : short.format(value);

/** A rate: 0.2 is not nothing. */
export const perSecond = (value: number): string => (value < 10 ? String(Number(value.toFixed(1))) : compact(value));
/** "1 row", "12,345 rows". */
export const rowCount = (value: number): string => `${count(value)} ${value === 1 ? "row" : "rows"}`;

const units = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/** Decimal units: 1.5 MB is 1,500,000 bytes. */
export function bytes(value: number): string {
  let [size, unit] = [value, 0];
  while (Math.abs(size) >= 1_000 && unit < units.length - 1) {
    size /= 1_000;
    unit++;
  }
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** "3 min ago", "in 2 h", "now". */
export function ago(atMs: number, nowMs: number): string {
  const seconds = Math.round((nowMs - atMs) / 1_000);
  const [past, size] = [seconds >= 0, Math.abs(seconds)];
  const told = ((): string => {
    if (size < 5) return "now";
    if (size < 60) return `${size} s`;
    if (size < 3_600) return `${Math.round(size / 60)} min`;
    if (size < 86_400) return `${Math.round(size / 3_600)} h`;
    return `${Math.round(size / 86_400)} d`;
  })();
  if (told === "now") return told;
  return past ? `${told} ago` : `in ${told}`;
}

/** 1.2 s, 340 ms, 2 min 5 s, 7 d. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return both(ms, 60_000, "min", 1_000, "s");
  return ms < 172_800_000 ? both(ms, 3_600_000, "h", 60_000, "min") : both(ms, 86_400_000, "d", 3_600_000, "h");
}

/** A length of time in two units, the smaller one left out where it is nought. */
function both(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}
