import { z } from "zod";
import type { SeedBodies } from "../bodies.ts";
import type { FuzzEntry } from "../campaign.ts";
import { checkAnswer, Finding } from "../finding.ts";
import type { Target } from "../target.ts";
import { pushInput } from "./doors.ts";

const receipt = z.object({
  id: z.string(),
  state: z.enum(["staged", "committed", "failed"]),
  rows: z.number().nullable(),
  quarantined: z.number().nullable(),
  duplicate: z.boolean(),
});
const counted = z.object({ rows: z.array(z.object({ n: z.coerce.number() })) });

/**
 * Pushes of every format through the door, in every encoding and framing. What the door has taken must be committed soon, and
 * the rows of the dataset must be those that the receipts tell of, no row more.
 */
export function rowsEntry(target: Target, seeds: SeedBodies): FuzzEntry {
  const datasets = ["r0", "r1", "r2", "r3"];
  const waiting = new Map<string, string>();
  const told = new Map<string, { rows: number; quarantined: number }>();
  let cutOff = 0;
  return {
    name: "rows",
    atOnce: 16,
    deadlineMs: 30_000,
    make: (dice) => pushInput(dice, seeds, dice.pick(datasets)),
    async judge(input, signal) {
      const answer = await target.send(input, signal);
      if (!target.isAlive) throw new Finding("the server has ended");
      if (answer === null) {
        cutOff++;
        return;
      }
      checkAnswer(answer);
      if (answer.status >= 300) return;
      const { id, state } = receipt.parse(JSON.parse(answer.body.toString("utf8")));
      if (state === "failed") throw new Finding("an acknowledged push has failed");
      waiting.set(id, input.path.split("/")[6] ?? "");
    },
    async settle(signal) {
      for (const [id, dataset] of waiting) {
        const { rows, quarantined } = await committed(target, id, signal);
        const known = told.get(dataset) ?? { rows: 0, quarantined: 0 };
        told.set(dataset, { rows: known.rows + rows, quarantined: known.quarantined + quarantined });
        waiting.delete(id);
      }
      for (const [dataset, { rows }] of told) {
        const there = await target.ask(`SELECT count(*) AS n FROM fuzz.${dataset}`, signal);
        const count = counted.parse(there).rows[0]?.n ?? 0;
        // A push that was cut off at its very end may have been taken; it is never acknowledged, and its rows are whole.
        if (count < rows || (cutOff === 0 && count !== rows))
          throw new Finding(`fuzz.${dataset} has ${count} rows, its receipts tell of ${rows}`);
      }
      await target.checkCalm();
    },
    measure: () => target.measure(),
  };
}

/** The receipt once it is committed. @throws Finding when that takes too long */
async function committed(
  target: Target,
  id: string,
  signal: AbortSignal,
): Promise<{ rows: number; quarantined: number }> {
  for (;;) {
    const answer = await target.send(
      { method: "GET", path: `/api/v1/ingests/${id}`, headers: {}, body: null, framing: { kind: "length" } },
      signal,
    );
    if (answer === null) throw new Finding("no answer");
    checkAnswer(answer);
    const { state, rows, quarantined, duplicate } = receipt.parse(JSON.parse(answer.body.toString("utf8")));
    if (state === "committed")
      return duplicate ? { rows: 0, quarantined: 0 } : { rows: rows ?? 0, quarantined: quarantined ?? 0 };
    if (state === "failed") throw new Finding(`the acknowledged push ${id} has failed`);
    if (signal.aborted) throw new Finding(`the push ${id} is not committed in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
