import { z } from "zod";

/** What every failed request answers with. docs/errors.md tells the codes. */
export const errorReply = z
  .object({
    error: z.object({
      code: z.string().describe("Stable; docs/errors.md explains each."),
      message: z.string().describe("A sentence for a person."),
      hint: z.string().nullable().describe("What to do next."),
      position: z.object({ offset: z.int(), line: z.int(), column: z.int() }).nullable().describe("In the sent text."),
      data: z.record(z.string(), z.unknown()).nullable().describe("Facts for programs."),
      traceId: z.string().describe("Finds the request in the server's log."),
    }),
  })
  .meta({ id: "Error" });
export type ErrorReply = z.infer<typeof errorReply>;
