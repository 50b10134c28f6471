import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { datasetsQuery } from "../../api/queries.ts";
import { IconButton } from "../../design/controls.tsx";
import { Card, ErrorPanel, MillraceCommand, Name, Page, SkeletonRows } from "../../design/display.tsx";
import { bytes } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { Batch } from "./batch.tsx";
import { declareColumns } from "./declare-columns.ts";
import { Destination, type Place, type Target } from "./destination.tsx";
import { useFileDrop } from "./drop-target.tsx";
import { takeOver } from "./dropped.ts";
import { previewedBytes, previewQuery } from "./preview.ts";
import { Columns } from "./preview-table.tsx";
import { Receipt } from "./receipt.tsx";
import { encodingOf, nameFrom } from "./send.ts";
import { Underway, useSending } from "./underway.tsx";
import css from "./upload.module.css";

/**
 * A file becomes rows of a dataset:
 *
 * (Several are taken one after the other: batch.tsx.)
 *
 *     choose ──▶ look at it, say where to ──▶ send ──▶ receipt
 *        ▲              │                       │
 *        └──────────────┴──── cancel, fail ─────┘
 */
export function Upload(): ReactNode {
  const { into } = useSearch({ from: "/inside/upload" });
  const [files, setFiles] = useState<readonly File[]>([]);
  const isBatchBusy = useRef(false);
  const sending = useSending();
  // Where the page is mounted twice (StrictMode), the first mount must not lose the file: hence an effect that only sets.
  useEffect(() => {
    const dropped = takeOver();
    if (dropped.length > 0) setFiles(dropped);
  }, []);
  const choose = (chosen: readonly File[]) => {
    if (sending.state.kind === "sending" || isBatchBusy.current) return;
    sending.reset();
    setFiles(chosen);
  };
  const [file] = files;
  const isOver = useFileDrop(choose);

  return (
    <Page
      title="Upload files"
      about="A file becomes rows of a dataset. Its format, columns and types are found by themselves."
    >
      {files.length > 1 && (
        <Batch key={files.map(keyOf).join()} files={files} into={into} busy={isBatchBusy} onNext={() => choose([])} />
      )}
      {file === undefined && (
        <>
          <Chooser isOver={isOver} onChoose={choose} />
          <div className={css.elsewhere}>
            <p>Files of the server's own machine, and very large ones, go best by a terminal:</p>
            <MillraceCommand args={`ingest ${into ?? "my.data"} YOUR_FILES*.csv`} />
          </div>
        </>
      )}
      {file !== undefined && files.length === 1 && (
        <Chosen key={keyOf(file)} file={file} into={into} sending={sending} onLeave={() => choose([])} />
      )}
    </Page>
  );
}

const keyOf = ({ name, size, lastModified }: File): string => `${name} ${size} ${lastModified}`;

function Chooser({
  isOver,
  onChoose,
}: {
  readonly isOver: boolean;
  readonly onChoose: (files: readonly File[]) => void;
}): ReactNode {
  return (
    <label className={css.drop} data-over={isOver}>
      <Icon name="upload" size={32} />
      <strong>Drop files here, or choose them</strong>
      <span>CSV, TSV, JSON, NDJSON, Parquet, Arrow, access logs, syslog; also packed by gzip or zstd.</span>
      <input
        type="file"
        multiple
        className="visually-hidden"
        onChange={({ target }) => {
          const files = [...(target.files ?? [])];
          if (files.length > 0) onChoose(files);
        }}
      />
    </label>
  );
}

function Chosen({
  file,
  into,
  sending,
  onLeave,
}: {
  readonly file: File;
  readonly into: string | undefined;
  readonly sending: ReturnType<typeof useSending>;
  readonly onLeave: () => void;
}): ReactNode {
  const [format, setFormat] = useState<string | null>(null);
  const preview = useQuery({ ...previewQuery(file, format), placeholderData: keepPreviousData });
  const { state } = sending;
  const [given, name] = into?.split(".") ?? [];
  const [place, setPlace] = useState<Place>({ project: given ?? "my", dataset: name ?? nameFrom(file.name) });
  const [types, setTypes] = useState<ReadonlyMap<string, string>>(new Map());
  const { data: datasets = [] } = useQuery(datasetsQuery);
  const known = datasets.find(({ project, dataset }) => project === place.project && dataset === place.dataset);
  const isOpen = known === undefined || known.schema === null;
  const start = (target: Target) => {
    const found = new Map(preview.data?.columns.map((column) => [column.name, column.type]));
    const changed = [...types].filter(([column, type]) => found.has(column) && found.get(column) !== type);
    const declared = new Map(isOpen ? changed : []);
    const shipment = { file, encoding: preview.data?.encoding ?? encodingOf(file.name), ...target };
    void sending.start(shipment, () => declareColumns({ ...target, isThere: known !== undefined }, declared));
  };
  return (
    <>
      <div className={css.file}>
        <Icon name="table" size={20} />
        <div>
          <strong>
            <Name>{file.name}</Name>
          </strong>
          <small>{bytes(file.size)}</small>
        </div>
        {state.kind !== "sending" && <IconButton icon="close" label="Choose another file" onClick={onLeave} />}
      </div>
      {state.kind === "sending" && <Underway state={state} onCancel={sending.cancel} />}
      {state.kind === "sent" ? (
        <Receipt receipt={state.receipt} preview={preview.data} onNext={onLeave} />
      ) : (
        <div className={css.steps} data-busy={state.kind === "sending"}>
          <Card title="What is in it" flush>
            {preview.isPending && <SkeletonRows rows={6} />}
            {preview.error !== null && (
              <div className={css.inset}>
                <ErrorPanel error={preview.error} again={() => void preview.refetch()} />
                <p>The file can be sent without a preview: say its format.</p>
              </div>
            )}
            {preview.data !== undefined && (
              <Columns
                preview={preview.data}
                isPart={file.size > previewedBytes}
                types={types}
                onType={isOpen ? (column, type) => setTypes(new Map(types).set(column, type)) : null}
              />
            )}
          </Card>
          <Card title="Where it goes">
            {state.kind === "failed" && <ErrorPanel error={state.error} />}
            {preview.isPending ? (
              <SkeletonRows rows={4} height={34} />
            ) : (
              <Destination
                place={place}
                onPlace={setPlace}
                known={known}
                preview={preview.data}
                format={format ?? preview.data?.formatName ?? ""}
                onFormat={setFormat}
                isBusy={state.kind === "sending"}
                onSend={start}
              />
            )}
          </Card>
        </div>
      )}
    </>
  );
}
