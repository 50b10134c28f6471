import { spawnSync } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import path from "node:path";
import { cacheDirectory } from "../benchmark.ts";

/** The tables of TPC-H, each a Parquet file of the folder that `generate` gives. */
export const tables = ["lineitem", "orders", "customer", "part", "partsupp", "supplier", "nation", "region"];

/** TPC-H data made once by `tpchgen-cli` of PyPI, in a virtual environment outside the repository. */
export function generate(): string {
  const folder = path.join(cacheDirectory(), "tpch-sf1");
  if (existsSync(folder)) return folder;
  const environment = path.join(cacheDirectory(), "tpch-venv");
  run("python3", ["-m", "venv", environment]);
  run(path.join(environment, "bin", "pip"), ["install", "--quiet", "tpchgen-cli"]);
  run(path.join(environment, "bin", "tpchgen-cli"), ["parquet", "-s", "1", "--output-dir", `${folder}.part`]);
  renameSync(`${folder}.part`, folder);
  return folder;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${error?.message ?? stderr}`);
}
