import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { datasetsQuery } from "../../api/queries.ts";
import { Button, Field, Input, Segments } from "../../design/controls.tsx";
import { Badge, Card, DataTable, Meter, Name } from "../../design/display.tsx";
import { bytes, count, rowCount } from "../../design/format.ts";
import { lookInto } from "./preview.ts";
import { nameFrom, send, wrongName } from "./send.ts";
import { type FileState, sendAll } from "./send-all.ts";
import css from "./upload.module.css";

const doors = { look: (file: File, signal: AbortSignal) => lookInto(file, null, signal), send };

/** Several files: said once where they go, then taken one after the other. */
export function Batch({
  files,
  into,
  busy,
  onNext,
}: {
  readonly files: readonly File[];
  readonly into: string | undefined;
  /** Whether files are under way: others are not taken meanwhile. */
  readonly busy: RefObject<boolean>;
  readonly onNext: () => void;
}): ReactNode {
  const [given, name] = into?.split(".") ?? [];
  const [project, setProject] = useState(given ?? "my");
  const [isOne, setOne] = useState(name !== undefined);
  const [dataset, setDataset] = useState(name ?? "data");
  const { states, isUnderWay, start, cancel } = useBatch(files, busy);
  const wrong = wrongName(project) ?? (isOne ? wrongName(dataset) : null);
  const datasetOf = (file: File): string => (isOne ? dataset : nameFrom(file.name));
  const left = states.filter(({ kind }) => kind !== "sent").length;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    start((file) => ({ file, project, dataset: datasetOf(file) }));
  };
  return (
    <>
      <Card title="Where they go">
        <form className={css.batch} onSubmit={submit}>
          <Projects project={project} onProject={setProject} isHeld={isUnderWay} />
          <Segments
            label="Datasets"
            value={isOne ? "one" : "each"}
            options={[
              { value: "each", label: "Each file a dataset" },
              { value: "one", label: "All into one" },
            ]}
            onChange={(value) => !isUnderWay && setOne(value === "one")}
          />
          {isOne && (
            <Field label="Dataset" wrong={wrongName(dataset)}>
              {(tie) => (
                <Input
                  {...tie}
                  value={dataset}
                  disabled={isUnderWay}
                  onChange={({ target }) => setDataset(target.value)}
                  spellCheck={false}
                  required
                />
              )}
            </Field>
          )}
          {isUnderWay ? (
            <Button icon="stop" onClick={cancel}>
              Cancel
            </Button>
          ) : (
            left > 0 && (
              <Button type="submit" look="primary" icon="upload" unless={wrong}>
                {left === files.length ? `Send ${count(left)} files` : `Send what is left (${count(left)})`}
              </Button>
            )
          )}
          {!isUnderWay && (
            <Button look="quiet" onClick={onNext}>
              {left === 0 ? "Upload others" : "Choose others"}
            </Button>
          )}
        </form>
      </Card>
      <Card title={`${count(files.length)} files`} flush>
        <DataTable
          label="Files"
          rows={files.map((file, at) => ({ file, at, state: states[at] ?? waiting }))}
          keyOf={({ at }) => at}
          columns={[
            { head: "File", cell: ({ file }) => <Name>{file.name}</Name> },
            { head: "Size", number: true, cell: ({ file }) => bytes(file.size) },
            {
              head: "Into",
              cell: ({ file, state }) => (
                <Name>{state.kind === "sent" ? state.receipt.dataset : `${project}.${datasetOf(file)}`}</Name>
              ),
            },
            { head: "State", width: "40%", cell: ({ file, state }) => <State file={file} state={state} /> },
          ]}
        />
      </Card>
    </>
  );
}

const waiting: FileState = { kind: "waiting" };

function useBatch(files: readonly File[], busy: RefObject<boolean>) {
  const client = useQueryClient();
  const [states, setStates] = useState<readonly FileState[]>(() => files.map(() => waiting));
  const [isUnderWay, setUnderWay] = useState(false);
  const ending = useRef<AbortController | null>(null);
  useEffect(() => () => ending.current?.abort(), []);
  const start = (addressed: (file: File) => { file: File; project: string; dataset: string }) => {
    const stop = new AbortController();
    ending.current = stop;
    busy.current = true;
    setUnderWay(true);
    // Files that were sent are not sent again; the others keep their place in the list.
    const places = files.flatMap((_, at) => (states[at]?.kind === "sent" ? [] : [at]));
    const chosen = places.flatMap((at) => files[at] ?? []).map(addressed);
    const put = (at: number, state: FileState) => setStates((before) => before.with(places[at] ?? 0, state));
    void sendAll(chosen, doors, put, stop.signal).finally(() => {
      busy.current = false;
      setUnderWay(false);
      for (const key of ["datasets", "dataset", "resources"]) void client.invalidateQueries({ queryKey: [key] });
    });
  };
  return { states, isUnderWay, start, cancel: () => ending.current?.abort() };
}

function Projects({
  project,
  onProject,
  isHeld,
}: {
  readonly project: string;
  readonly onProject: (project: string) => void;
  readonly isHeld: boolean;
}): ReactNode {
  const { data: datasets = [] } = useQuery(datasetsQuery);
  return (
    <Field label="Project" wrong={wrongName(project)}>
      {(tie) => (
        <>
          <Input
            {...tie}
            list="batch-projects"
            value={project}
            disabled={isHeld}
            onChange={({ target }) => onProject(target.value)}
            spellCheck={false}
            required
          />
          <datalist id="batch-projects">
            {[...new Set(datasets.map((one) => one.project))].map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

function State({ file, state }: { readonly file: File; readonly state: FileState }): ReactNode {
  switch (state.kind) {
    case "waiting":
    case "cancelled":
      return <Badge>{state.kind}</Badge>;
    case "looking":
      return <Badge tone="accent">looking into it</Badge>;
    case "sending":
      return <Meter label={`Bytes of ${file.name} sent`} done={state.sentBytes} total={file.size} />;
    case "sent":
      return <Sent receipt={state.receipt} />;
    case "failed":
      return (
        <span className={css.refused}>
          <Name>{state.error instanceof Error ? state.error.message : "It failed."}</Name>
          {state.error instanceof ApiError && ` (${state.error.code})`}
        </span>
      );
  }
}

function Sent({ receipt }: { readonly receipt: Extract<FileState, { kind: "sent" }>["receipt"] }): ReactNode {
  const [project = "", dataset = ""] = receipt.dataset.split(".");
  const quarantined = receipt.quarantined ?? 0;
  return (
    <span className={css.sent}>
      <Badge tone="good">{receipt.duplicate ? "was there already" : "sent"}</Badge>
      <Link to="/datasets/$project/$dataset" params={{ project, dataset }}>
        {receipt.rows === null ? "Open the dataset" : rowCount(receipt.rows)}
      </Link>
      {quarantined > 0 && (
        <Link to="/datasets/$project/$dataset/quarantine" params={{ project, dataset }}>
          {count(quarantined)} quarantined
        </Link>
      )}
    </span>
  );
}
