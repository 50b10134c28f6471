import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { chainQuery } from "../../api/queries.ts";
import { Button, buttonClass } from "../../design/controls.tsx";
import { Badge, Card, Data, EmptyState, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { bytes, count } from "../../design/format.ts";
import { join } from "../../design/join.ts";
import { Ago } from "../../design/time.tsx";
import { type BlockFacts, factsOf, kindName, shortHash } from "./block.ts";
import { BlockPanel } from "./block-panel.tsx";
import css from "./chain.module.css";
import { usePlace, usePlaceSearch } from "./place.ts";

/** The dataset's whole history, block by block, newest first; each is a point in time to go to. */
export function Chain(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const { block: chosen } = usePlaceSearch();
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    chainQuery(project, dataset, seq),
  );
  const blocks = data?.pages.flatMap((page) => page.blocks.map(factsOf)) ?? [];
  return (
    <>
      <Card flush>
        {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
        {isPending && <SkeletonRows rows={10} height={28} />}
        {data !== undefined && blocks.length === 0 && <EmptyState title="No blocks yet" />}
        <ol className={css.chain} aria-label="Blocks, newest first">
          {blocks.map((block) => (
            <Block key={block.seq} block={block} isChosen={block.seq === chosen} />
          ))}
        </ol>
        {hasNextPage && (
          <div className={css.more}>
            <Button onClick={() => void fetchNextPage()} disabled={isFetchingNextPage}>
              {isFetchingNextPage ? "Reading older blocks" : "Older blocks"}
            </Button>
          </div>
        )}
      </Card>
      {chosen !== undefined && <BlockPanel seq={chosen} />}
    </>
  );
}

function Block({ block, isChosen }: { readonly block: BlockFacts; readonly isChosen: boolean }): ReactNode {
  const { keep } = usePlace();
  const { seq, kind, rows, quarantined, hash, by, at } = block;
  const to = { to: "/datasets/$project/$dataset/chain", params: keep.params, resetScroll: false } as const;
  return (
    <li className={css.block} data-chosen={isChosen}>
      <span className={join(css.mark, rows > 0 && css.markRows)} aria-hidden="true" />
      <div className={css.what}>
        <Link
          {...to}
          search={isChosen ? keep.search : { ...keep.search, block: seq }}
          id={`block-${seq}`}
          className={css.open}
          aria-expanded={isChosen}
        >
          <span className="visually-hidden">Block </span>
          <span className={css.seq}>{seq} </span>
          {kindName(kind)}
        </Link>
        {rows > 0 && (
          <span>
            +{count(rows)} {rows === 1 ? "row" : "rows"}, {bytes(block.bytes)}
          </span>
        )}
        {quarantined > 0 && <Badge tone="warn">{count(quarantined)} quarantined</Badge>}
      </div>
      <div className={css.who}>
        <span title={hash}>
          <Data>{shortHash(hash)}</Data>
        </span>
        {by !== null && (
          <span>
            by <Name>{by}</Name>
          </span>
        )}
        <Ago at={at} />
      </div>
      <Link
        {...to}
        search={{ seq }}
        className={join(buttonClass({ small: true }), css.travel)}
        aria-label={`As of here: block ${seq}`}
      >
        As of here
      </Link>
    </li>
  );
}
