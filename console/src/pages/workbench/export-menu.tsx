import { type ReactNode, useEffect, useRef, useState } from "react";
import { Button } from "../../design/controls.tsx";
import { Menu, tell, tellFailure } from "../../design/overlays.tsx";
import { type ExportFormat, exportFormats, exportResult } from "./export.ts";

const labels: Readonly<Record<ExportFormat, string>> = {
  csv: "CSV, all rows",
  parquet: "Parquet, all rows",
  json: "JSON, all rows",
  arrow: "Arrow, all rows",
};

/** The whole result as a file, whatever the row limit of the page is. */
export function ExportMenu({ sql, name }: { readonly sql: string; readonly name: string }): ReactNode {
  const [format, setFormat] = useState<ExportFormat | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const go = async (wanted: ExportFormat) => {
    const controller = new AbortController();
    stop.current = controller;
    setFormat(wanted);
    try {
      await exportResult(sql, wanted, name, controller.signal);
      tell("The download has begun");
    } catch (error) {
      if (!controller.signal.aborted) tellFailure(error);
    } finally {
      if (stop.current === controller) stop.current = null;
      setFormat(null);
    }
  };
  if (format !== null) {
    return (
      <Button small icon="stop" onClick={() => stop.current?.abort()}>
        Cancel the export
      </Button>
    );
  }
  return (
    <Menu
      label="Export"
      icon="download"
      items={exportFormats.map((one) => ({ label: labels[one], onChoose: () => void go(one) }))}
    />
  );
}
