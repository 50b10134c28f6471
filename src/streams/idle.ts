import { type Instant, instant } from "../base/index.ts";
import type { Emit, WindowShape } from "../compiler/index.ts";
import type { Snapshot } from "../datasets/index.ts";
import { timesOf } from "./reach.ts";

/** What is known of an input that new rows may come to. */
export interface IdleInput {
  /** When it last had a commit. */
  readonly lastAt: Instant;
  readonly watermark: Instant | null;
  /** No row has a later event time; null where it has none. */
  readonly latestRow: Instant | null;
  /** Whether the run reads all that is there: an input that has more is not idle. */
  readonly isReadWhole: boolean;
}

/** What of a transform's windows the clock alone closes. */
export interface Idling {
  /** As of the decision. */
  readonly watermark: Instant | null;
  /** Whether windows may have ended by it that were open before. */
  readonly closes: boolean;
  /** When the clock will close the next, if nothing comes; null: no window is open. */
  readonly dueAt: Instant | null;
}

/** Before every time that a row can have. */
const never = instant(-62_135_596_800_000);
/** Where the clock alone closes windows, each step closes at least such a part of the time that open ones are of. */
const partsOfOpen = 64;
/** Where sessions end is known by their rows alone: they are looked at so often within a gap. */
const looksOfGap = 8;
const leastStepMs = 1_000;

/**
 * Without the inputs that have been idle: the earliest of the others, less the lateness; where all have been, the clock, less the lateness. It never
 * goes back. Inputs that nobody feeds thus hold no window open. (Akidau et al., "The Dataflow Model", VLDB 2015, leave to each source what it can
 * say of its progress; this is all that a source which says nothing allows for.)
 */
function watermarkAt(
  inputs: readonly IdleInput[],
  emit: IdleEmit,
  before: Instant | null,
  now: number,
): Instant | null {
  const active = inputs.filter(({ lastAt, isReadWhole }) => !isReadWhole || now - lastAt < emit.idleMs);
  const known = active.map(({ watermark }) => watermark).filter((one) => one !== null);
  if (known.length < active.length) return before;
  return instant(Math.max(Math.min(now, ...known) - emit.latenessMs, before ?? never));
}

type IdleEmit = Pick<Emit, "latenessMs"> & { readonly idleMs: number };

/** What the clock does to windows when nothing comes. @param before the watermark of the runs before */
export function idlingOf(
  inputs: readonly IdleInput[],
  {
    window,
    emit,
    before,
    now,
  }: {
    /** Null where it closes none. */
    readonly window: WindowShape | null;
    readonly emit: IdleEmit;
    readonly before: Instant | null;
    readonly now: Instant;
  },
): Idling {
  const watermark = watermarkAt(inputs, emit, before, now);
  if (window === null) return { watermark, closes: false, dueAt: null };
  const rows = inputs.map(({ latestRow }) => latestRow).filter((one) => one !== null);
  const lastEnd = rows.length === 0 ? never : lastEndOf(window, Math.max(...rows));
  if (lastEnd <= (before ?? never)) return { watermark, closes: false, dueAt: null };
  const wanted = before === null ? never : nextEndOf(window, before, lastEnd);
  const reaches = (one: Instant | null) => one !== null && one >= wanted;
  const idleAt = inputs.map(({ lastAt }) => lastAt + emit.idleMs).toSorted((one, other) => one - other);
  const early = idleAt.find((at) => at > now && reaches(watermarkAt(inputs, emit, before, at)));
  const dueAt = early ?? Math.max(...idleAt, wanted + emit.latenessMs);
  return { watermark, closes: reaches(watermark), dueAt: instant(dueAt) };
}

/** The end of the last window that a row may be in. */
function lastEndOf(window: WindowShape, latestRow: number): number {
  switch (window.kind) {
    case "tumble":
      return endBehind(latestRow, window.sizeMs);
    case "hop":
      return endBehind(latestRow, window.slideMs) - window.slideMs + window.sizeMs;
    case "session":
      // Rows have microseconds.
      return latestRow + window.gapMs + 1;
  }
}

/** The next end of a window that is worth a run. */
function nextEndOf(window: WindowShape, watermark: Instant, lastEnd: number): number {
  const stepped = watermark + (lastEnd - watermark) / partsOfOpen;
  switch (window.kind) {
    case "tumble":
      return Math.min(lastEnd, endBehind(stepped, window.sizeMs));
    case "hop":
      return Math.min(lastEnd, endBehind(stepped, window.slideMs));
    case "session":
      return Math.min(
        lastEnd,
        Math.ceil(Math.max(stepped, watermark + Math.max(leastStepMs, window.gapMs / looksOfGap))),
      );
  }
}

/** The first multiple behind a time: windows align to 1970. */
const endBehind = (at: number, stepMs: number) => (Math.floor(at / stepMs) + 1) * stepMs;

/**
 * What is known of an input.
 * @param until up to where the run reads it
 * @param takenUpAt before that nobody looked: it is not idle for what was not seen then
 */
export function idleInput(newest: Snapshot, until: Snapshot, takenUpAt: Instant): IdleInput {
  return {
    lastAt: instant(Math.max(newest.systemTime, takenUpAt)),
    watermark: until.watermark,
    latestRow: newest.rows === newest.expiredBefore ? null : latestRowOf(newest),
    isReadWhole: until.seq === newest.seq,
  };
}

/** Slices whose times are not known are taken to be no later than the watermark, as a root's are. */
function latestRowOf({ watermark, slices }: Snapshot): Instant | null {
  let latest = watermark;
  for (const slice of slices) {
    const to = timesOf(slice)?.to ?? null;
    if (to !== null && (latest === null || to > latest)) latest = to;
  }
  return latest;
}
