import path from "node:path";
import { type Clock, type Disk, type IdSource, type Instant, MillraceError } from "../base/index.ts";
import type { Datasets, Head } from "../datasets/index.ts";
import type { CommittedBatch, Committer } from "./batching/committer.ts";
import { withDefinition } from "./batching/with-definition.ts";
import { findPosition } from "./chain-receipts.ts";
import type { SourcePosition } from "./contract.ts";
import type { ResolvedFormat } from "./formats/detect.ts";
import { headBytesOf } from "./formats/spec.ts";
import type { History } from "./history.ts";
import { type Arrival, datasetName, type Intake, resolved } from "./intake.ts";
import { Lanes, type Part } from "./lanes.ts";
import { committedReceipt, type IngestReceipt, type Receipts } from "./receipts.ts";
import type { TakenBody } from "./staging/body.ts";

export interface PartsOptions {
  readonly datasets: Datasets;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly ids: IdSource;
  readonly intake: Intake;
  readonly committer: Committer;
  readonly receipts: Receipts;
  readonly history: History;
  readonly spoolPath: (name: string) => string;
  readonly workDirectory: string;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

/** A part of which the body is there as a file. */
interface TakenPart {
  readonly arrival: Arrival;
  readonly place: SourcePosition;
  readonly part: Part;
  readonly taken: TakenBody;
  readonly file: string;
  readonly headBytes: number;
  readonly format: ResolvedFormat;
  readonly signal: AbortSignal;
}

/**
 * Parts of imports: committed straight away, with the chain's source state as the proof that they were. Parts of one source
 * commit in order of their positions; a part at or below the committed position adds nothing.
 *
 *   sent --body--> taken --the one in front is there--> in line --converted--> its turn --> committed
 */
export class ImportParts {
  readonly #options: PartsOptions;
  readonly #lanes: Lanes;

  constructor(options: PartsOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.clock);
  }

  /** @throws bad_request, bad_input, conflict where the part in front does not come or has failed, disk_full */
  async push(
    arrival: Arrival,
    place: SourcePosition,
    receivedAt: Instant,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const position = positionOf(place);
    const { id, request } = arrival;
    const abort = AbortSignal.any([signal, this.#options.stopping]);
    using part = await this.#lanes.enter(`${request.dataset.id}/${place.source}`, position, abort);
    const taken = await this.#options.intake.body(arrival, false, abort);
    const file = taken.file ?? this.#options.spoolPath(id);
    try {
      const headBytes = headBytesOf(request.format);
      if (taken.bytes !== null) await writeBody(this.#options.disk, file, taken.bytes, headBytes);
      const format = resolved(request.format, taken.first);
      part.counted(rowsOf(format, taken.lines ?? request.localBody?.lines ?? null));
      const committed = () => this.#committed(arrival, place.source, abort);
      if (position <= (await committed())) return await this.#oldPart(arrival, place);
      await part.inLine(committed, abort);
      const done = await this.#commit({ arrival, place, part, taken, file, headBytes, format, signal: abort });
      return await this.#keep(arrival, place, receivedAt, done);
    } finally {
      await this.#options.disk.remove(file);
    }
  }

  async #commit({ arrival, place, part, taken, file, headBytes, format, signal }: TakenPart): Promise<CommittedBatch> {
    const { id, request, definition } = arrival;
    const { committer, intake, clock, ids, workDirectory } = this.#options;
    const { position } = part;
    const { source, firstLine } = place;
    const { sizeBytes, lines } = taken;
    const entry = { ingestId: id, start: headBytes, sizeBytes, lines, receivedAt: clock.now(), source, firstLine };
    const commitRequest = {
      datasetId: request.dataset.id,
      batch: {
        path: file,
        headBytes,
        entries: [entry],
        format,
        declared: new Set<string>(),
        eventTime: await intake.eventTime(arrival, format, signal),
        wrongEventTime: "refuse" as const,
        workPath: path.join(workDirectory, ids.uuid()),
      },
      sourceState: { sourceName: source, kind: "millrace/position", value: String(position) },
      by: request.by,
      traceId: request.traceId,
      ahead: (head: Head) => part.ahead(positionIn(head, source)),
      check: (head: Head) => {
        const known = positionIn(head, source);
        if (known !== position - 1) throw outOfOrder(position, known);
      },
    };
    return await committer.run(withDefinition(commitRequest, definition), part.turn(), signal);
  }

  async #keep(
    arrival: Arrival,
    place: SourcePosition,
    receivedAt: Instant,
    done: CommittedBatch,
  ): Promise<IngestReceipt> {
    const { receipts, history, clock } = this.#options;
    const receipt = committedReceipt(arrival.id, datasetName(arrival.request), done[0]);
    history.committedPart(arrival, receivedAt, receipt);
    const datasetId = arrival.request.dataset.id;
    await receipts.save(receipt, { datasetId, key: keyOf(place), bodyHash: null, atMs: clock.now() });
    return receipt;
  }

  async #committed({ request }: Arrival, source: string, signal: AbortSignal): Promise<number> {
    return positionIn(await this.#options.datasets.head(request.dataset.id, signal), source);
  }

  /** The receipt that a part had: kept for a day, and later told by the chain. */
  async #oldPart({ id, request }: Arrival, place: SourcePosition): Promise<IngestReceipt> {
    const { datasets, receipts } = this.#options;
    const kept = await receipts.byKey(request.dataset.id, keyOf(place));
    if (kept !== null) return { ...kept.receipt, duplicate: true };
    const head = await datasets.head(request.dataset.id);
    const share = await findPosition(datasets, request.dataset.id, place.source, place.position, head.seq);
    const receipt = committedReceipt(share?.id ?? id, datasetName(request), share ?? undefined);
    return { ...receipt, duplicate: true };
  }
}

async function writeBody(disk: Disk, file: string, bytes: Uint8Array, headBytes: number): Promise<void> {
  await using body = await disk.open(file, "write");
  await body.write(bytes, headBytes);
}

function positionOf({ position }: SourcePosition): number {
  const number = Number(position);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new MillraceError("bad_request", "Millrace-Position counts parts from 1.");
}

/** Beside the keys of requests: a hash may not stand in those. */
const keyOf = ({ source, position }: SourcePosition) => `${source}#${Number(position)}`;

/** Rows that a part will have if none is put aside: a guess for those behind it, put right when it is wrong. */
function rowsOf(format: ResolvedFormat, lines: number | null): number {
  if (lines === null) return 0;
  return format.kind === "csv" && format.header ? Math.max(0, lines - 1) : lines;
}

/** The part that a chain has last of a source; 0 before the first. */
function positionIn(head: Head, source: string): number {
  return Number(head.sourceState(source)?.value ?? 0);
}

function outOfOrder(position: number, known: number): MillraceError {
  return new MillraceError("conflict", `Part ${position} cannot follow part ${known}.`, {
    hint: "The part in front of it failed; send that one first.",
    retryAfterS: 1,
  });
}
