import type { Brand } from "./brand.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** A DID of an Open Data Fabric dataset: `did:odf:f` and the hex of an ed25519 key with its multicodec. */
export type DatasetId = Brand<string, "DatasetId">;
export type QueryId = Brand<string, "QueryId">;
export type IngestId = Brand<string, "IngestId">;
export type TaskId = Brand<string, "TaskId">;
export type ResourceId = Brand<string, "ResourceId">;
export type WorkerId = Brand<string, "WorkerId">;
/** 32 hex digits, as in W3C Trace Context. */
export type TraceId = Brand<string, "TraceId">;

/** Makes ids. One source a process, injected. */
export interface IdSource {
  /** UUID version 7 (RFC 9562 section 5.7): sorts by time of making. */
  uuid(): string;
  traceId(): TraceId;
}

export function idSource(clock: Clock, random: Random): IdSource {
  return {
    uuid() {
      const bytes = random.bytes(16);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const at = BigInt(clock.now());
      view.setUint32(0, Number(at >> 16n));
      view.setUint16(4, Number(at & 0xffffn));
      view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70);
      view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
      const hex = Buffer.from(bytes).toString("hex");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
    traceId: () => Buffer.from(random.bytes(16)).toString("hex") as TraceId,
  };
}
