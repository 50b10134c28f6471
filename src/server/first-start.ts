import { type Disk, datasetPath, MillraceError, type Service } from "../base/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Identity } from "../identity/index.ts";
import { webRequestColumns } from "../ingest/index.ts";
import { type DatasetSpec, datasetKind, type LookupSpec, type Resources, type SourceSpec } from "../resources/index.ts";
import { systemColumns, systemDatasets } from "../telemetry/index.ts";
import { firstOrganization, firstOwner, writePrivate } from "./owner-token.ts";
import { ensureChain } from "./resources-door.ts";

export interface FirstStartOptions {
  readonly identity: Identity;
  readonly resources: Resources;
  readonly datasets: Datasets;
  readonly disk: Disk;
  /** Where the owner finds the first token. */
  readonly ownerTokenFile: string;
  /** Also the example: a dataset with a generator, what is made of it by the minute, and a lookup. */
  readonly example: boolean;
}

const by = "millrace";
const requestsPerMinute = `SELECT time_bucket(INTERVAL '1 minute', event_time) AS minute, status,
  count(*) AS requests, avg(duration_ms) AS mean_ms
FROM example.requests
GROUP BY minute, status`;

/**
 * What every server stands on: the organization with its owner and token, the system's project and datasets, the example
 * where it is asked for. Whatever of it is there stays as it is, so a start that was cut off is gone on with by the next.
 */
export class FirstStart implements Service {
  readonly name = "first start";
  readonly #options: FirstStartOptions;

  constructor(options: FirstStartOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#makeOwner();
    for (const name of systemDatasets) {
      const { project, dataset } = datasetPath(name);
      await this.#declare(project, dataset, {
        description: `What the system itself tells: ${dataset}.`,
        columns: [...systemColumns[name]],
      });
    }
    if (this.#options.example) await this.#makeExample();
  }

  async stop(): Promise<void> {}

  async #makeOwner(): Promise<void> {
    const { identity, disk, ownerTokenFile } = this.#options;
    // Before the owner is there for good: a crash in between leaves a file that the next start writes over.
    const keep = (token: string) => writePrivate(disk, ownerTokenFile, `${token}\n`);
    await identity.bootstrap({ organization: firstOrganization, owner: firstOwner, keep });
  }

  async #makeExample(): Promise<void> {
    await this.#declare("example", "requests", {
      description: "Web requests that a generator makes up.",
      columns: [...webRequestColumns],
    });
    const spec: SourceSpec = {
      type: "generator",
      dataset: "requests",
      template: "web-requests",
      rowsPerSecond: 20,
      paused: false,
    };
    await this.#applyOnce({ kind: "Source", project: "example", name: "web-requests", spec });
    // Its chain is made when transforms start.
    await this.#declare("example", "requests_per_minute", {
      description: "Web requests by minute and status, kept right as they come.",
      transform: { sql: requestsPerMinute },
    });
    const visitors: LookupSpec = { dataset: "requests", key: ["client_ip"] };
    await this.#applyOnce({ kind: "Lookup", project: "example", name: "visitors", spec: visitors });
  }

  async #declare(project: string, dataset: string, spec: DatasetSpec): Promise<void> {
    const { resources, datasets } = this.#options;
    await this.#applyOnce({ kind: "Project", name: project, spec: {} });
    await this.#applyOnce({ kind: "Dataset", project, name: dataset, spec });
    const resource = await resources.get(datasetKind, project, dataset);
    if (resource !== null) await ensureChain(resources, datasets, resource);
  }

  /** Declares what is absent; what people have changed since stays. */
  async #applyOnce(input: Parameters<Resources["apply"]>[0]): Promise<void> {
    try {
      await this.#options.resources.apply(input, { by, expectedGeneration: 0 });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "precondition_failed") throw error;
    }
  }
}
