import { millrace, type Platform } from "../kit/platform.ts";
import { pause, Violation } from "./connection.ts";

/** SELECTs that are kept over what the writers send, one of each way in which a run makes its block. */
const derivatives = {
  doubled: "SELECT writer, number * 2 AS number FROM crash.mixed WHERE number % 3 > 0",
  sums: "SELECT writer, count(*) AS n, sum(number)::BIGINT AS s, max(number) AS newest FROM crash.plain GROUP BY writer",
  newest: "SELECT DISTINCT ON (writer) writer, number FROM crash.plain ORDER BY writer, number DESC",
  whole: "SELECT count(*) AS writers, sum(n)::BIGINT AS n FROM crash.sums",
} as const;

/** Longest that the runs may take to come up with their inputs when nothing is killed any more. */
const patienceMs = 120_000;

/** Their inputs must have columns. @throws Violation */
export async function defineDerivatives(platform: Platform): Promise<void> {
  for (const [name, select] of Object.entries(derivatives))
    await ask(platform, `CREATE DATASET crash.${name} AS ${select}`);
}

/** Each must be what its SELECT says of everything, and be made again from its inputs. @throws Violation */
export async function checkDerivatives(platform: Platform): Promise<void> {
  const endMs = Date.now() + patienceMs;
  for (const [name, select] of Object.entries(derivatives)) {
    const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
    const [kept, all] = [`SELECT ${own} FROM crash.${name}`, `SELECT * FROM (${select})`];
    const differs = `SELECT count(*) AS n FROM ((${kept} EXCEPT ALL ${all}) UNION ALL (${all} EXCEPT ALL ${kept}))`;
    for (let rest = "?"; rest !== "0"; ) {
      rest = await ask(platform, differs);
      if (rest !== "0" && Date.now() > endMs)
        throw new Violation(`crash.${name} differs by ${rest} rows from its SELECT`);
      await pause(100);
    }
    const { code, stdout, stderr } = await millrace(["verify", `crash.${name}`, "--rebuild"], platform);
    if (code !== 0) throw new Violation(`verify crash.${name} --rebuild: ${stdout}${stderr}`);
  }
}

/** The first value of an answer. @throws Violation */
async function ask(platform: Platform, sql: string): Promise<string> {
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "csv"], platform);
  if (code !== 0) throw new Violation(`${sql}: ${stderr}`);
  return (stdout.trimEnd().split("\n")[1] ?? "").replaceAll('"', "");
}
