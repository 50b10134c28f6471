import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";

// 0 done, 1 refused or failed, 2 wrong usage; data on standard output, everything else on standard error.

let folder: TempDirectory;
let platform: Platform;
const files = { rows: "rows.csv", manifest: "project.yaml", broken: "broken.yaml" };

beforeAll(async () => {
  folder = await tempDirectory();
  const texts = {
    rows: "a,b\n1,x\n2,y\n",
    manifest: "kind: Project\nname: shop\n",
    broken: "kind: Projekt\nname: x\n",
  };
  for (const name of ["rows", "manifest", "broken"] as const) await writeFile(at(files[name]), texts[name]);
  platform = await startPlatform({ dataDirectory: at("data") });
}, 60_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const at = (name: string) => path.join(folder.path, name);

interface Case {
  /** Done: what standard output says. */
  readonly done: readonly [args: () => string[], stdout: RegExp];
  /** Refused: what standard error says. */
  readonly refused: readonly (readonly [args: () => string[], stderr: RegExp])[];
  /** Wrong usage: what standard error says. */
  readonly wrong: readonly (readonly [args: string[], stderr: RegExp])[];
}
const data = () => ["--data-dir", at("data")];
const held = /A server runs on .* already[\s\S]*\(conflict\)/;

/** By command, in an order in which each finds what the one before has made. `up` has its own tests below. */
const cases: Readonly<Record<string, Case>> = {
  ingest: {
    done: [() => ["ingest", "cli.rows", at(files.rows)], /^$/],
    refused: [
      [() => ["ingest", "cli.rows", at("absent")], /cannot be read/],
      [() => ["ingest", "system.queries", at(files.rows)], /\((forbidden|dataset_not_found|not_found)/],
    ],
    wrong: [
      [["ingest", "cli.rows"], /^usage: millrace ingest /],
      [["ingest", "rows", "x.csv"], /PROJECT\.DATASET/],
      [["ingest", "cli.rows", "x.csv", "--fromat", "csv"], /did you mean --format\?/],
    ],
  },
  sql: {
    done: [
      () => ["sql", "SELECT sum(a) AS n, $1 AS p FROM cli.rows", "--param", "é", "--format", "csv"],
      /^n,p\n3,é\n$/,
    ],
    refused: [
      [() => ["sql", "SELEC 1"], /SELEC 1\n {2}\^\n[\s\S]*\(sql_syntax, trace [0-9a-f]{32}\)/],
      [() => ["sql", "SELECT * FROM cli.row"], /Did you mean cli\.rows\?/],
    ],
    wrong: [
      [["sql", "SELECT 1", "SELECT 2"], /^usage: millrace sql /],
      [["sql", "SELECT 1", "--format", "xml"], /there is no format "xml"/],
      [["sql", " "], /empty/],
    ],
  },
  compact: {
    done: [() => ["compact", "cli.rows"], /^cli\.rows: compact done\n$/],
    refused: [[() => ["compact", "cli.none"], /There is no dataset cli\.none\.\n\(dataset_not_found/]],
    wrong: [[["compact"], /^usage: millrace compact /]],
  },
  collect: {
    done: [() => ["collect", "cli.rows"], /^cli\.rows: collect done\n$/],
    refused: [[() => ["collect", "cli.none"], /There is no dataset cli\.none\.\n\(dataset_not_found/]],
    wrong: [[["collect"], /^usage: millrace collect /]],
  },
  verify: {
    done: [() => ["verify", "cli.rows"], /^cli\.rows is whole: \d+ blocks, 1 slice, 2 rows\n$/],
    refused: [[() => ["verify", "cli.none"], /There is no dataset cli\.none\.\n\(dataset_not_found/]],
    wrong: [
      [["verify"], /^usage: millrace verify /],
      [["verify", "rows"], /PROJECT\.DATASET/],
      [["verify", "cli.rows", "--level", "deep"], /chain, physical, logical/],
    ],
  },
  pull: {
    done: [() => ["pull", "--help"], /^Mirrors a dataset of another platform/], // a whole one: test/transfer/pull.test.ts
    refused: [
      [() => ["pull", `${platform.url}/odf/cli/rows`], /Name a token of the origin[\s\S]*\(unauthenticated\)/],
      [() => ["pull", "https://host.example/x", "--as", "a.b", "--origin-token-file", at("absent")], /\(bad_config\)/],
    ],
    wrong: [
      [["pull"], /^usage: millrace pull /],
      [["pull", "nonsense"], /is no address/],
      [["pull", "https://host.example/somewhere"], /--as PROJECT\.DATASET/],
    ],
  },
  apply: {
    done: [() => ["apply", at(files.manifest)], /^created Project shop \(generation 1\)\n$/],
    refused: [
      [() => ["apply", at(files.broken)], /Projekt[\s\S]*Project/],
      [() => ["apply", at("absent")], /cannot be read/],
    ],
    wrong: [
      [["apply"], /^usage: millrace apply /],
      [["apply", "x", "--dryrun"], /did you mean --dry-run\?/],
    ],
  },
  get: {
    done: [() => ["get", "dataset", "cli/rows"], /"kind": "Dataset"/],
    refused: [[() => ["get", "Project", "absent"], /\(not_found/]],
    wrong: [
      [["get"], /^usage: millrace get /],
      [["get", "Datset", "cli/rows"], /did you mean "Dataset"\?/],
      [["get", "Dataset"], /belongs to a project/],
      [["get", "Dataset", "rows"], /PROJECT\/NAME/],
    ],
  },
  delete: {
    done: [() => ["delete", "Project", "shop"], /^$/],
    refused: [[() => ["delete", "Project", "cli"], /still has the Dataset cli\/rows[\s\S]*\(conflict/]],
    wrong: [
      [["delete", "Project"], /^usage: millrace delete /],
      [["delete", "Dataset", "cli/"], /PROJECT\/NAME/],
    ],
  },
  config: {
    done: [() => ["config", "http.host"], /^127\.0\.0\.1\n$/],
    refused: [[() => ["config", "--config", at("absent.yaml")], /cannot be read[\s\S]*\(bad_config\)/]],
    wrong: [
      [["config", "http.prot"], /did you mean "http\.port"\?/],
      [["config", "--port", "abc"], /say a port from 0 to 65535/],
    ],
  },
  doctor: {
    done: [() => ["doctor", "--quick", ...data()], /^ok {7}server: [\s\S]*\nnothing is wrong\n$/],
    refused: [], // what it finds is its data: test/drills/doctor.test.ts
    wrong: [
      [["doctor", "me"], /^usage: millrace doctor /],
      [["doctor", "--quick", "--full"], /not both/],
    ],
  },
  reindex: {
    done: [() => ["reindex", "--data-dir", at("other")], /^indexed 0 datasets, 0 blocks\n$/],
    refused: [[() => ["reindex", ...data()], held]],
    wrong: [[["reindex", "now"], /^usage: millrace reindex /]],
  },
  "restore-definitions": {
    done: [() => ["restore-definitions", "--data-dir", at("other")], /^restored 0 definitions\n$/],
    refused: [[() => ["restore-definitions", ...data()], held]],
    wrong: [[["restore-definitions", "--repalce"], /did you mean --replace\?/]],
  },
  up: {
    done: [() => ["up", "--help"], /^Runs the platform until Ctrl-C\./],
    refused: [
      [() => ["up", ...data(), "--port", "0"], held],
      [
        () => ["up", "--data-dir", at("taken"), "--port", new URL(platform.url).port],
        /Cannot listen on 127\.0\.0\.1 port \d+[\s\S]*--port/,
      ],
    ],
    wrong: [
      [["up", "here"], /^usage: millrace up /],
      [["up", "--prot", "1"], /did you mean --port\?/],
      [["up", "--port", "70000"], /--port: http\.port cannot be "70000": /],
    ],
  },
};

test("every command is tried here", () => {
  expect(Object.keys(cases).sort()).toEqual(commands.map(({ name }) => name).sort());
});

describe.each(Object.entries(cases))("%s", (_name, { done, refused, wrong }) => {
  test("done is 0, with its data on standard output", { timeout: 60_000 }, async () => {
    const [args, stdout] = done;
    const result = await millrace(args(), platform);
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(stdout);
  });

  test("refused or failed is 1, wrong usage 2, and both say what on standard error alone", {
    timeout: 60_000,
  }, async () => {
    const expected = [
      ...refused.map(([args, stderr]) => ({ args: args(), stderr, code: 1 })),
      ...wrong.map(([args, stderr]) => ({ args, stderr, code: 2 })),
    ];
    await Promise.all(
      expected.map(async ({ args, stderr, code }) => {
        const result = await millrace(args, platform);
        expect({ args, code: result.code, stdout: result.stdout }, result.stderr).toEqual({ args, code, stdout: "" });
        expect(result.stderr).toMatch(stderr);
      }),
    );
  });
});

describe("without a command", () => {
  test.each([
    [["--version"], /^millrace \d+\.\d+\.\d+ \(node 26\./],
    [["help"], /^usage: millrace COMMAND/],
    [["help", "sql"], /--format/],
  ])("%j is 0", async (args, stdout) => {
    const result = await millrace(args);
    expect([result.code, result.stderr]).toEqual([0, ""]);
    expect(result.stdout).toMatch(stdout);
  });

  test("an unknown one is 2, with the nearest name", async () => {
    const near = await millrace(["injest"]);
    expect(near).toEqual({ code: 2, stdout: "", stderr: 'there is no command "injest"; did you mean "ingest"?\n' });
    const far = await millrace(["conquer-the-world"]);
    expect([far.code, far.stdout]).toEqual([2, ""]);
    expect(far.stderr).toContain("restore-definitions");
  });

  test("where nobody serves is 1, with what to do", async () => {
    const nobody = { MILLRACE_DATA_DIR: at("nobody"), MILLRACE_TOKEN: "mlr_x" };
    for (const [args, environment] of [
      [["sql", "SELECT 1"], nobody],
      [["sql", "SELECT 1"], { ...nobody, MILLRACE_URL: "http://127.0.0.1:9" }],
    ] as const) {
      const result = await millrace(args, undefined, environment);
      expect([result.code, result.stdout]).toEqual([1, ""]);
      expect(result.stderr).toMatch(/hint: .*\.\/millrace up[\s\S]*\(unavailable\)/);
    }
    const refused = await millrace(["sql", "SELECT 1"], undefined, {
      MILLRACE_URL: platform.url,
      MILLRACE_TOKEN: "mlr_x",
    });
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain("(unauthenticated");
  });
});
