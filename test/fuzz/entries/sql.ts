import type { FuzzEntry } from "../campaign.ts";
import { checkAnswer, Finding } from "../finding.ts";
import { anyParameters, anyStatement } from "../sql-grammar.ts";
import type { Target } from "../target.ts";
import { anyFraming } from "./doors.ts";

const datasets = {
  a: '{"id":1,"name":"x","tags":["t"],"geo":{"lat":1.5},"at":"2024-01-31"}\n{"id":2,"name":null,"tags":[]}\n{"id":"no"}\n',
  b: '{"i":1,"s":"y"}\n{"i":2}\n',
};

/** The SQL endpoint: statements grown from a grammar, bent, with parameters, in every result format. */
export async function sqlEntry(target: Target): Promise<FuzzEntry> {
  for (const [dataset, rows] of Object.entries(datasets)) {
    const path = `/api/v1/projects/fuzz/datasets/${dataset}/rows?create=true&ack=committed&format=ndjson`;
    const body = Buffer.from(rows);
    const push = { method: "POST", path, headers: {}, body, framing: { kind: "length" } } as const;
    const answer = await target.send(push, AbortSignal.timeout(30_000));
    if (answer?.status !== 200) throw new Finding(`the rows to ask for were answered ${answer?.body.toString("utf8")}`);
  }
  return {
    name: "sql",
    atOnce: 3,
    deadlineMs: 20_000,
    make(dice) {
      const asked = {
        sql: anyStatement(dice),
        ...(dice.chance(0.2) ? { parameters: anyParameters(dice) } : {}),
        ...(dice.chance(0.3) ? { format: dice.pick(["json", "ndjson", "csv", "parquet", "arrow"]) } : {}),
        rowLimit: dice.pick([0, 1, 100, 3_000]),
        timeoutMs: dice.pick([1, 500, 1_000]),
      };
      const body = Buffer.from(JSON.stringify(asked));
      return {
        method: "POST",
        path: "/api/v1/sql",
        headers: { "content-type": "application/json" },
        body,
        framing: anyFraming(dice, body.length),
      };
    },
    async judge(input, signal) {
      const answer = await target.send(input, signal);
      if (answer !== null) checkAnswer(answer);
      if (!target.isAlive) throw new Finding("the server has ended");
    },
    settle: () => target.checkCalm(),
    measure: () => target.measure(),
  };
}
