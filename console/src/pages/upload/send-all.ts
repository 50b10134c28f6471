import type { IngestReceipt, Preview } from "../../api/types.ts";
import type { SendOptions, Shipment } from "./send.ts";

/**
 *     waiting ──▶ looking ──▶ sending ──▶ sent
 *        │            └──────────┴──────▶ failed      the next file is taken all the same
 *        └────────────┴──────────┴──────▶ cancelled
 */
export type FileState =
  | { readonly kind: "waiting" | "looking" | "cancelled" }
  | { readonly kind: "sending"; readonly sentBytes: number }
  | { readonly kind: "sent"; readonly receipt: IngestReceipt }
  | { readonly kind: "failed"; readonly error: unknown };

export interface Doors {
  readonly look: (file: File, signal: AbortSignal) => Promise<Preview>;
  readonly send: (shipment: Shipment, options: SendOptions) => Promise<IngestReceipt>;
}

export interface Addressed {
  readonly file: File;
  readonly project: string;
  readonly dataset: string;
}

/** Sends files one after the other, each in the format that is found in it. What fails holds up none of the others. */
export async function sendAll(
  files: readonly Addressed[],
  { look, send }: Doors,
  onState: (at: number, state: FileState) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const [at, { file, project, dataset }] of files.entries()) {
    if (signal.aborted) {
      onState(at, { kind: "cancelled" });
      continue;
    }
    try {
      onState(at, { kind: "looking" });
      const { formatName: format, encoding } = await look(file, signal);
      onState(at, { kind: "sending", sentBytes: 0 });
      const onProgress = (sentBytes: number) => onState(at, { kind: "sending", sentBytes });
      const shipment = { file, project, dataset, format, encoding, eventTime: null };
      onState(at, { kind: "sent", receipt: await send(shipment, { onProgress, signal }) });
    } catch (error) {
      onState(at, signal.aborted ? { kind: "cancelled" } : { kind: "failed", error });
    }
  }
}
