import { z } from "zod";
import { millrace } from "../kit/platform.ts";

const report = z.object({
  ok: z.boolean(),
  findings: z.array(
    z.object({ check: z.string(), state: z.string(), text: z.string(), advice: z.string().nullable() }),
  ),
});
type Finding = z.infer<typeof report>["findings"][number];

/** What `millrace doctor` says of a data folder. */
export async function doctor(
  dataDirectory: string,
  flags: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<{ code: number | null; findings: Finding[]; problems: Finding[] }> {
  const args = ["doctor", "--json", "--data-dir", dataDirectory, ...flags];
  const { code, stdout, stderr } = await millrace(args, undefined, environment);
  if (stdout === "") throw new Error(`the doctor says nothing: ${stderr}`);
  const { ok, findings } = report.parse(JSON.parse(stdout));
  const problems = findings.filter(({ state }) => state === "problem");
  if (ok !== (problems.length === 0)) throw new Error("the report contradicts itself");
  return { code, findings, problems };
}
