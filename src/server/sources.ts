import {
  type Clock,
  datasetName,
  type IdSource,
  type Logger,
  type Random,
  type Service,
  type Telemetry,
  userName,
} from "../base/index.ts";
import type { Datasets } from "../datasets/index.ts";
import { Generator, type Ingest } from "../ingest/index.ts";
import { type Resource, type Resources, type SourceSpec, sourceKind } from "../resources/index.ts";

export interface SourcesOptions {
  readonly resources: Resources;
  readonly datasets: Datasets;
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
}

/** Keeps one running generator for each declared Source that is not paused. */
export class Sources implements Service {
  readonly name = "sources";
  readonly #options: SourcesOptions;
  readonly #log: Logger;
  readonly #running = new Map<string, { generation: number; generator: Generator }>();
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#log = options.telemetry.log;
  }

  async start(): Promise<void> {
    await this.reconcile();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#turn;
    await Promise.all([...this.#running.values()].map(({ generator }) => generator.stop()));
  }

  /** Makes what runs equal to what is declared. Called after each change. */
  reconcile(): Promise<void> {
    this.#turn = this.#turn
      .then(() => this.#reconcile())
      .catch((error: unknown) => this.#log.warn("sources could not be read", { error }));
    return this.#turn;
  }

  async #reconcile(): Promise<void> {
    if (this.#stopped) return;
    const declared = (await this.#options.resources.list(sourceKind)).filter(
      ({ spec }) => spec.type === "generator" && !spec.paused,
    );
    const wanted = new Map(declared.map((source) => [`${source.project}/${source.name}`, source]));
    for (const [name, { generation, generator }] of this.#running) {
      if (wanted.get(name)?.generation === generation) continue;
      this.#running.delete(name);
      await generator.stop();
    }
    for (const [name, source] of wanted) {
      if (this.#running.has(name)) continue;
      const generator = this.#generator(source);
      this.#running.set(name, { generation: source.generation, generator });
      await generator.start();
    }
  }

  #generator(source: Resource<SourceSpec>): Generator {
    const { datasets, ingest, clock, random, ids, telemetry } = this.#options;
    return new Generator({
      settings: { rowsPerSecond: source.spec.type === "generator" ? source.spec.rowsPerSecond : 0 },
      clock,
      random,
      telemetry,
      async push(ndjson) {
        if (source.project === null) return;
        const ref = await datasets.get({ project: source.project, dataset: datasetName(source.spec.dataset) });
        await ingest.push(
          {
            dataset: ref,
            body: once(Buffer.from(ndjson)),
            format: { kind: "ndjson" },
            encoding: "identity",
            ack: "staged",
            by: userName("millrace"),
            traceId: ids.traceId(),
          },
          new AbortController().signal,
        );
      },
    });
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
