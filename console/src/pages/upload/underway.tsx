import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { IngestReceipt } from "../../api/types.ts";
import { Button } from "../../design/controls.tsx";
import { Card, Meter } from "../../design/display.tsx";
import { bytes, duration } from "../../design/format.ts";
import { type Shipment, send } from "./send.ts";
import css from "./upload.module.css";

export type Sending =
  | { readonly kind: "ready" }
  | { readonly kind: "sending"; readonly sentBytes: number; readonly totalBytes: number; readonly startedMs: number }
  | { readonly kind: "sent"; readonly receipt: IngestReceipt }
  | { readonly kind: "failed"; readonly error: unknown };

/** One sending at a time. It ends when the page is left: what the server has not answered for is not stored. */
export function useSending(): {
  readonly state: Sending;
  readonly start: (shipment: Shipment, first: () => Promise<void>) => Promise<void>;
  readonly cancel: () => void;
  readonly reset: () => void;
} {
  const [state, setState] = useState<Sending>({ kind: "ready" });
  const ending = useRef<AbortController | null>(null);
  const client = useQueryClient();
  useEffect(() => () => ending.current?.abort(), []);
  const start = async (shipment: Shipment, first: () => Promise<void>) => {
    const own = new AbortController();
    ending.current = own;
    const [totalBytes, startedMs] = [shipment.file.size, Date.now()];
    const progress = (sentBytes: number) => setState({ kind: "sending", sentBytes, totalBytes, startedMs });
    progress(0);
    try {
      await first();
      own.signal.throwIfAborted();
      const receipt = await send(shipment, { onProgress: progress, signal: own.signal });
      setState({ kind: "sent", receipt });
      void client.invalidateQueries({ queryKey: ["datasets"] });
      void client.invalidateQueries({ queryKey: ["dataset", shipment.project, shipment.dataset] });
      void client.invalidateQueries({ queryKey: ["resources"] });
    } catch (error) {
      setState(own.signal.aborted ? { kind: "ready" } : { kind: "failed", error });
    }
  };
  return {
    state,
    start,
    cancel: () => ending.current?.abort(),
    reset: () => setState({ kind: "ready" }),
  };
}

export function Underway({
  state,
  onCancel,
}: {
  readonly state: Extract<Sending, { kind: "sending" }>;
  readonly onCancel: () => void;
}): ReactNode {
  const { sentBytes, totalBytes, startedMs } = state;
  const isSent = sentBytes >= totalBytes;
  const elapsedMs = Math.max(1, Date.now() - startedMs);
  const leftMs = sentBytes === 0 ? null : (elapsedMs * (totalBytes - sentBytes)) / sentBytes;
  return (
    <Card>
      <div className={css.underway}>
        <div className={css.underwayText}>
          <strong>{isSent ? "Sent. The rows are being written and committed" : "Sending"}</strong>
          <span>
            {bytes(Math.min(sentBytes, totalBytes))} of {bytes(totalBytes)}
            {!isSent && leftMs !== null && elapsedMs > 1_000 && `, ${duration(leftMs)} left`}
          </span>
        </div>
        <Button icon="stop" onClick={onCancel}>
          Cancel
        </Button>
        <div className={css.underwayMeter}>
          <Meter label="Bytes sent" done={sentBytes} total={totalBytes} />
        </div>
      </div>
    </Card>
  );
}
