import { type ReactNode, useEffect, useRef, useState } from "react";
import { ApiError, path, request } from "../../api/client.ts";
import type { VerifyReport } from "../../api/types.ts";
import { Button, Segments } from "../../design/controls.tsx";
import { Badge, Card, Data, ErrorPanel, Facts, Meter } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import css from "./dataset.module.css";
import { usePlace } from "./place.ts";

type Level = "chain" | "physical" | "logical";
type State =
  | { readonly kind: "ready" }
  | { readonly kind: "running"; readonly done: number; readonly total: number | null }
  | { readonly kind: "done"; readonly report: VerifyReport; readonly level: Level }
  | { readonly kind: "failed"; readonly error: unknown };

const about: Record<Level, string> = {
  chain: "Each block is read and hashed, and names the one before it.",
  physical: "Also each file is hashed, byte by byte.",
  logical: "Also the rows are read and hashed, whatever file they lie in.",
};

/** Proves the dataset, while one looks on. */
export function Verify(): ReactNode {
  const { project, dataset } = usePlace();
  const [level, setLevel] = useState<Level>("logical");
  const { state, start, cancel } = useVerify(project, dataset);
  const isRunning = state.kind === "running";
  return (
    <Card title="Verify" id="verify">
      <div className={css.verify}>
        <div className={css.line}>
          <Segments
            label="How deep"
            value={level}
            options={[
              { value: "chain", label: "Chain" },
              { value: "physical", label: "Files" },
              { value: "logical", label: "Rows" },
            ]}
            onChange={setLevel}
          />
          {isRunning ? (
            <Button icon="stop" onClick={cancel}>
              Cancel
            </Button>
          ) : (
            <Button icon="check" onClick={() => start(level)}>
              Verify now
            </Button>
          )}
        </div>
        <p>{about[level]}</p>
        {isRunning && (
          <div role="status">
            <Meter label="Verified" done={state.done} total={state.total} />
            {count(state.done)} of {state.total === null ? "…" : count(state.total)} objects
          </div>
        )}
        {state.kind === "failed" && <ErrorPanel error={state.error} again={() => start(level)} />}
        {state.kind === "done" && <Report report={state.report} />}
      </div>
    </Card>
  );
}

function Report({ report }: { readonly report: VerifyReport }): ReactNode {
  const { ok, blocks, slices, superseded, expired, rows, broken } = report;
  return (
    <div className={css.verify} role="status">
      <div>
        <Badge tone={ok ? "good" : "bad"} dot>
          {ok ? "Whole: every hash holds" : "Broken"}
        </Badge>
      </div>
      {broken !== null && (
        <p>
          <Data>{broken.object}</Data>: <bdi>{broken.reason}</bdi>
        </p>
      )}
      <Facts
        facts={[
          ["Blocks", count(blocks)],
          ["Slices", count(slices)],
          ["Rows", count(rows)],
          ...(superseded > 0 ? ([["By compacted copies", count(superseded)]] as const) : []),
          ...(expired > 0 ? ([["Expired", count(expired)]] as const) : []),
        ]}
      />
    </div>
  );
}

function useVerify(project: string, dataset: string) {
  const [state, setState] = useState<State>({ kind: "ready" });
  const ending = useRef<AbortController | null>(null);
  useEffect(() => () => ending.current?.abort(), []);
  const start = (level: Level) => {
    ending.current?.abort();
    const own = new AbortController();
    ending.current = own;
    setState({ kind: "running", done: 0, total: null });
    const take = (line: VerifyLine) => {
      if (own.signal.aborted) return;
      if (line.progress !== undefined) setState({ kind: "running", ...line.progress });
      if (line.report !== undefined) setState({ kind: "done", report: line.report, level });
      if (line.error !== undefined) setState({ kind: "failed", error: new ApiError(500, line.error) });
    };
    verify(project, dataset, level, take, own.signal).catch((error: unknown) => {
      if (!own.signal.aborted) setState({ kind: "failed", error });
    });
  };
  const cancel = () => {
    ending.current?.abort();
    setState({ kind: "ready" });
  };
  return { state, start, cancel };
}

interface VerifyLine {
  readonly progress?: { readonly done: number; readonly total: number | null };
  readonly report?: VerifyReport;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Reads the answer line by line as it comes. @throws ApiError where it ends without a report */
async function verify(
  project: string,
  dataset: string,
  level: Level,
  take: (line: VerifyLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await request(path`/api/v1/projects/${project}/datasets/${dataset}/verify`, {
    method: "POST",
    body: { level },
    headers: { accept: "application/x-ndjson" },
    signal,
  });
  let [rest, isAnswered] = ["", false];
  const lines = (text: string) => {
    const whole = (rest + text).split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) {
      if (line === "") continue;
      const told = JSON.parse(line) as VerifyLine;
      isAnswered ||= told.report !== undefined || told.error !== undefined;
      take(told);
    }
  };
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read())
    lines(part.value);
  lines("\n");
  if (!isAnswered) {
    throw new ApiError(0, { code: "unreachable", message: "The server ended the verification without a report." });
  }
}
