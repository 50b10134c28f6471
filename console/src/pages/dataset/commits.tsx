import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Badge, Data, DataTable, Name } from "../../design/display.tsx";
import { bytes, count } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { type BlockFacts, kindName, shortHash } from "./block.ts";
import { usePlace } from "./place.ts";

/** Blocks of the chain, newest first; each leads to what it says. */
export function Commits({
  blocks,
  isShort = false,
}: {
  readonly blocks: readonly BlockFacts[];
  /** Without hashes and sizes. */
  readonly isShort?: boolean;
}): ReactNode {
  const { keep } = usePlace();
  const show = ({ seq }: BlockFacts): ReactNode => (
    <Link
      to="/datasets/$project/$dataset/chain"
      params={keep.params}
      search={{ ...keep.search, block: seq }}
      resetScroll={false}
    >
      <span className="visually-hidden">Block </span>
      {seq}
    </Link>
  );
  return (
    <DataTable
      label="Blocks"
      rows={blocks}
      keyOf={({ seq }) => seq}
      columns={[
        { head: "Block", cell: show, width: "72px" },
        {
          head: "Event",
          cell: ({ kind }) => <Badge tone={kind === "AddData" ? "accent" : "plain"}>{kindName(kind)}</Badge>,
        },
        {
          head: "Rows",
          number: true,
          cell: ({ rows, quarantined }) => (
            <>
              {rows > 0 ? `+${count(rows)} ` : ""}
              {quarantined > 0 && <Badge tone="warn">{count(quarantined)} quarantined</Badge>}
            </>
          ),
        },
        ...(isShort
          ? []
          : [
              { head: "Size", number: true, cell: (one: BlockFacts) => (one.bytes > 0 ? bytes(one.bytes) : "") },
              {
                head: "Hash",
                cell: ({ hash }: BlockFacts) => (
                  <span title={hash}>
                    <Data>{shortHash(hash)}</Data>
                  </span>
                ),
              },
            ]),
        { head: "By", cell: ({ by }) => (by === null ? "" : <Name>{by}</Name>) },
        { head: "When", number: true, cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}
