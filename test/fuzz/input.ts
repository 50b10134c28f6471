import { z } from "zod";

/** How a body goes over the wire. */
export type Framing =
  | { readonly kind: "length" }
  | { readonly kind: "chunked"; readonly pieceBytes: number }
  /** The connection is cut after so many bytes of the body. */
  | { readonly kind: "brokenOff"; readonly afterBytes: number };

/** One input: a request to a running platform. What is judged in this process reads `path` as its options, and the body. */
export interface FuzzInput {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  readonly framing: Framing;
}

export const plainInput = (body: Uint8Array, path = ""): FuzzInput => ({
  method: "",
  path,
  headers: {},
  body,
  framing: { kind: "length" },
});

const shape = z.object({
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.base64().nullable(),
  framing: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("length") }),
    z.object({ kind: z.literal("chunked"), pieceBytes: z.int().min(1) }),
    z.object({ kind: z.literal("brokenOff"), afterBytes: z.int().min(0) }),
  ]),
});

/** As it is kept in a file; `text` shows a body that is one. */
export function inputToJson(input: FuzzInput): string {
  const body = input.body === null ? null : Buffer.from(input.body).toString("base64");
  return `${JSON.stringify({ ...input, body }, null, 2)}\n`;
}

export function inputFromJson(text: string): FuzzInput {
  const kept = shape.parse(JSON.parse(text));
  return { ...kept, body: kept.body === null ? null : Buffer.from(kept.body, "base64") };
}

/** Smaller inputs, boldest first: plain framing, fewer headers, pieces of the body left out. */
export function* smaller(input: FuzzInput): Iterable<FuzzInput> {
  if (input.framing.kind === "chunked") yield { ...input, framing: { kind: "length" } };
  for (const name of Object.keys(input.headers)) {
    if (name === "authorization") continue;
    const { [name]: _left, ...headers } = input.headers;
    yield { ...input, headers };
  }
  const [target = "", query] = input.path.split("?");
  if (query !== undefined) {
    const parameters = query.split("&");
    for (const at of parameters.keys()) {
      yield { ...input, path: [target, parameters.toSpliced(at, 1).join("&")].filter((part) => part !== "").join("?") };
    }
  }
  const { body } = input;
  if (body === null) return;
  for (let size = Math.ceil(body.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < body.length; at += size) {
      yield { ...input, body: Buffer.concat([body.subarray(0, at), body.subarray(at + size)]) };
    }
  }
}

/** For a person: the request line, and the body's beginning. */
export function describeInput({ method, path, headers, body, framing }: FuzzInput): string {
  const { authorization: _known, ...shown } = headers;
  const lines = [
    `${method} ${path.slice(0, 2_000)}`.trim(),
    JSON.stringify(shown),
    `framing ${JSON.stringify(framing)}`,
  ];
  if (body !== null)
    lines.push(
      `body (${body.length} bytes): ${JSON.stringify(Buffer.from(body.subarray(0, 2_000)).toString("latin1"))}`,
    );
  return lines.map((line) => `    ${line}`).join("\n");
}
