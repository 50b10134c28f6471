import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Dice } from "./dice.ts";
import { Finding } from "./finding.ts";
import { type Guard, openGuard } from "./guard.ts";
import { describeInput, type FuzzInput, inputToJson, smaller } from "./input.ts";

/** One door under fuzz. */
export interface FuzzEntry {
  readonly name: string;
  make(dice: Dice): FuzzInput;
  /** @throws Finding (any other error is one too) */
  judge(input: FuzzInput, signal: AbortSignal): Promise<void>;
  /** Inputs under way at once. */
  readonly atOnce: number;
  /** Longest time that one input may take. */
  readonly deadlineMs: number;
  /** Of inputs that are answered before their work is done: waits for it and judges it. @throws Finding */
  settle?(signal: AbortSignal): Promise<void>;
  /** What may not grow from plateau to plateau, by name; without it the memory of this process, in which it is judged. */
  measure?(): Promise<Measures>;
}

type Measures = Readonly<Record<string, number>>;

export interface CampaignOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Where inputs that found something are kept. */
  readonly foundFolder: string;
  readonly say: (line: string) => void;
  /** Of one input alone. */
  readonly only?: number;
}

export interface CampaignResult {
  readonly entry: string;
  readonly judged: number;
  readonly seconds: number;
  readonly findings: readonly string[];
  readonly plateaus: readonly string[];
}

const plateaus = 5;
/** What a plateau may have more than the second one (the first warms up): of memory in MB, and of everything else. */
const growth = { ofMemory: { factor: 1.5, more: 100 }, ofOthers: { factor: 1.25, more: 20 } };
const mostFindings = 5;
const mostShrinks = 150;
const shrinkMs = 20_000;

/** Throws inputs at one entry in plateaus of equal size, and tells what it found. */
export async function runCampaign(entry: FuzzEntry, options: CampaignOptions): Promise<CampaignResult> {
  const startedMs = performance.now();
  const findings: string[] = [];
  const measured: Measures[] = [];
  let judged = 0;
  await using guard = openGuard(entry, options.seed);
  const numbers = options.only === undefined ? range(options.inputs) : [options.only];
  for (const plateau of split(numbers, options.only === undefined ? plateaus : 1)) {
    judged += await runPlateau(plateau, entry, { ...options, guard, findings });
    await entry
      .settle?.(AbortSignal.timeout(120_000))
      .catch((error: unknown) => findings.push(`${entry.name}: after plateau ${measured.length + 1}: ${told(error)}`));
    measured.push(await (entry.measure?.() ?? ownMemory()));
    if (findings.length >= mostFindings) break;
  }
  findings.push(...grown(measured).map((what) => `${entry.name}: ${what}`));
  const seconds = (performance.now() - startedMs) / 1_000;
  return { entry: entry.name, judged, seconds, findings, plateaus: measured.map((one) => JSON.stringify(one)) };
}

setFlagsFromString("--expose_gc");
const collectGarbage: () => void = runInNewContext("gc");

/** What this process holds; its resident memory says more of when garbage was collected last. */
function ownMemory(): Measures {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return { "own MB": Math.round((heapUsed + external) / 1e6) };
}

/** What has more at the end than at the end of the second plateau, beyond what is allowed. */
function grown(measured: readonly Measures[]): string[] {
  const [base, last] = [measured[1], measured.at(-1)];
  if (base === undefined || last === undefined || measured.length < plateaus) return [];
  return Object.entries(last).flatMap(([name, now]) => {
    const before = base[name] ?? 0;
    const { factor, more } = name.endsWith("MB") ? growth.ofMemory : growth.ofOthers;
    return now > before * factor + more
      ? [`${name} has grown from ${before} to ${now}: ${JSON.stringify(measured)}`]
      : [];
  });
}

interface Running extends CampaignOptions {
  readonly guard: Guard;
  readonly findings: string[];
}

async function runPlateau(numbers: readonly number[], entry: FuzzEntry, running: Running): Promise<number> {
  const left = numbers[Symbol.iterator]();
  let judged = 0;
  const work = async () => {
    for (const number of left) {
      if (running.findings.length >= mostFindings) return;
      const input = entry.make(Dice.ofInput(running.seed, entry.name, number));
      running.guard.begin(number);
      const problem = await problemOf(entry, input);
      running.guard.end(number);
      judged++;
      if (problem !== null) running.findings.push(await report(entry, number, input, problem, running));
    }
  };
  await Promise.all(Array.from({ length: entry.atOnce }, work));
  return judged;
}

/** What is wrong with the entry under this input, or null. */
export async function problemOf(entry: FuzzEntry, input: FuzzInput): Promise<string | null> {
  const before = process.cpuUsage();
  try {
    await entry.judge(input, AbortSignal.timeout(entry.deadlineMs));
    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1_000;
    // Of an input alone, judged in this process, the processor's time is its own, however busy the machine is.
    return tookMs > entry.deadlineMs && entry.atOnce === 1 ? `took ${Math.round(tookMs)} ms` : null;
  } catch (error) {
    return told(error);
  }
}

function told(error: unknown): string {
  if (error instanceof Finding) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function report(
  entry: FuzzEntry,
  number: number,
  input: FuzzInput,
  problem: string,
  { seed, foundFolder, say }: Running,
): Promise<string> {
  const alone = await problemOf(entry, input);
  const least = alone === null ? input : await shrink(entry, input);
  mkdirSync(foundFolder, { recursive: true });
  const file = path.join(foundFolder, `${entry.name}-${seed}-${number}.json`);
  writeFileSync(file, inputToJson(least));
  const lines = [
    `${entry.name}: ${problem}`,
    `  again with --entry ${entry.name} --seed ${seed} --only ${number}${alone === null ? " (not when alone: it came with others beside it)" : ""}`,
    `  kept as ${file}, least input:`,
    describeInput(least),
  ];
  say(lines.join("\n"));
  return lines.join("\n");
}

/** The least input that is still wrong, as far as a short search finds it. */
async function shrink(entry: FuzzEntry, input: FuzzInput): Promise<FuzzInput> {
  const untilMs = performance.now() + shrinkMs;
  let least = input;
  let tries = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of smaller(least)) {
      if (++tries > mostShrinks || performance.now() > untilMs) return least;
      if ((await problemOf(entry, candidate)) === null) continue;
      least = candidate;
      isSmaller = true;
      break;
    }
  }
  return least;
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

function split(numbers: readonly number[], parts: number): number[][] {
  const size = Math.max(1, Math.ceil(numbers.length / parts));
  const cut: number[][] = [];
  for (let at = 0; at < numbers.length; at += size) cut.push(numbers.slice(at, at + size));
  return cut;
}
