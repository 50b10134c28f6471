import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { IconButton } from "../../design/controls.tsx";
import { Card, Command, ErrorPanel, Name, Page, SkeletonRows } from "../../design/display.tsx";
import { bytes } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { Destination, type Target } from "./destination.tsx";
import { useFileDrop } from "./drop-target.tsx";
import { takeOver } from "./dropped.ts";
import { previewedBytes, previewQuery } from "./preview.ts";
import { Columns } from "./preview-table.tsx";
import { Receipt } from "./receipt.tsx";
import { encodingOf } from "./send.ts";
import { Underway, useSending } from "./underway.tsx";
import css from "./upload.module.css";

/**
 * A file becomes rows of a dataset:
 *
 *     choose ──▶ look at it, say where to ──▶ send ──▶ receipt
 *        ▲              │                       │
 *        └──────────────┴──── cancel, fail ─────┘
 */
export function Upload(): ReactNode {
  const { into } = useSearch({ from: "/inside/upload" });
  const [file, setFile] = useState<File | null>(null);
  const sending = useSending();
  // Where the page is mounted twice (StrictMode), the first mount must not lose the file: hence an effect that only sets.
  useEffect(() => {
    const dropped = takeOver();
    if (dropped !== null) setFile(dropped);
  }, []);
  const choose = (chosen: File | null) => {
    if (sending.state.kind === "sending") return;
    sending.reset();
    setFile(chosen);
  };
  const isOver = useFileDrop(choose);

  return (
    <Page
      title="Upload a file"
      about="A file becomes rows of a dataset. Its format, columns and types are found by themselves."
    >
      {file === null ? (
        <>
          <Chooser isOver={isOver} onChoose={choose} />
          <div className={css.elsewhere}>
            <p>Many files, or files of the server's own machine, go by a terminal:</p>
            <Command text={`./millrace ingest ${into ?? "my.data"} YOUR_FILES*.csv`} />
          </div>
        </>
      ) : (
        <Chosen
          key={`${file.name} ${file.size} ${file.lastModified}`}
          file={file}
          into={into}
          sending={sending}
          onChoose={choose}
        />
      )}
    </Page>
  );
}

function Chooser({
  isOver,
  onChoose,
}: {
  readonly isOver: boolean;
  readonly onChoose: (file: File) => void;
}): ReactNode {
  return (
    <label className={css.drop} data-over={isOver}>
      <Icon name="upload" size={32} />
      <strong>Drop a file here, or choose one</strong>
      <span>CSV, TSV, JSON, NDJSON, Parquet, Arrow, access logs, syslog; also packed by gzip or zstd.</span>
      <input
        type="file"
        className="visually-hidden"
        onChange={({ target }) => {
          const file = target.files?.[0];
          if (file !== undefined) onChoose(file);
        }}
      />
    </label>
  );
}

function Chosen({
  file,
  into,
  sending,
  onChoose,
}: {
  readonly file: File;
  readonly into: string | undefined;
  readonly sending: ReturnType<typeof useSending>;
  readonly onChoose: (file: File | null) => void;
}): ReactNode {
  const [format, setFormat] = useState<string | null>(null);
  const preview = useQuery({ ...previewQuery(file, format), placeholderData: keepPreviousData });
  const { state } = sending;
  const start = (target: Target) =>
    void sending.start({ file, encoding: preview.data?.encoding ?? encodingOf(file.name), ...target });
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
        {state.kind !== "sending" && (
          <IconButton icon="close" label="Choose another file" onClick={() => onChoose(null)} />
        )}
      </div>
      {state.kind === "sending" && <Underway state={state} onCancel={sending.cancel} />}
      {state.kind === "sent" ? (
        <Receipt receipt={state.receipt} preview={preview.data} onNext={() => onChoose(null)} />
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
            {preview.data !== undefined && <Columns preview={preview.data} isPart={file.size > previewedBytes} />}
          </Card>
          <Card title="Where it goes">
            {state.kind === "failed" && <ErrorPanel error={state.error} />}
            {preview.isPending ? (
              <SkeletonRows rows={4} height={34} />
            ) : (
              <Destination
                file={file}
                into={into}
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
