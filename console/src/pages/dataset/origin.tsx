import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { blockQuery, blocksQuery, datasetQuery } from "../../api/queries.ts";
import { Card, Data, Facts, MillraceCommand, Name, SkeletonRows } from "../../design/display.tsx";
import { rowCount } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { type BlockFacts, factsOf, sourceName } from "./block.ts";
import css from "./dataset.module.css";
import { usePlace } from "./place.ts";
import { TransformFacts } from "./transform-facts.tsx";

/** Where its rows come from, by what the newest commits say, and what it is. */
export function Origin(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const { data } = useQuery(datasetQuery(project, dataset));
  const { data: page } = useQuery(blocksQuery(project, dataset, seq === undefined ? null : seq + 1));
  const { data: first } = useQuery(blockQuery(project, dataset, 0));
  const began = first == null ? null : factsOf(first).at;
  if (data === undefined || page === undefined) return <SkeletonRows rows={4} />;
  const blocks = page.blocks.map(factsOf);
  const sources = sourcesOf(blocks);
  const then = blocks.find(({ watermark }) => watermark !== null)?.watermark ?? null;
  return (
    <Card title="Where it comes from">
      <div className={css.sources}>
        {sources.length === 0 && seq !== undefined && data.transform === null && (
          <p className={css.quiet}>There were no rows yet.</p>
        )}
        {data.origin !== null && (
          <>
            <p>
              A read-only copy of <Name>{data.origin}</Name>, every byte proven. To bring what is new there:
            </p>
            <MillraceCommand args={`pull ${data.origin} --as ${project}.${dataset}`} />
          </>
        )}
        {data.transform !== null && <TransformFacts transform={data.transform} />}
        {sources.length === 0 && seq === undefined && data.origin === null && data.transform === null && (
          <>
            <p>No rows yet. Send the first:</p>
            <MillraceCommand args={`ingest ${project}.${dataset} YOUR_FILE.csv`} />
          </>
        )}
        {sources.length > 0 && (
          <ul className={css.sources} aria-label="Sources of the newest commits">
            {sources.map(({ key, by, source, rows }) => (
              <li key={key}>
                <span>
                  <Name>{source}</Name>
                  {by !== null && (
                    <>
                      {" by "}
                      <Name>{by}</Name>
                    </>
                  )}
                </span>
                <span>{rowCount(rows)}</span>
              </li>
            ))}
          </ul>
        )}
        <Facts
          facts={[
            ["Began", <Ago key="b" at={began} />],
            ["Watermark", <Ago key="w" at={seq === undefined ? data.watermark : then} />],
          ]}
        />
        <p className={css.id}>
          <Data>{data.datasetId}</Data>
        </p>
      </div>
    </Card>
  );
}

interface Source {
  readonly key: string;
  readonly source: string;
  readonly by: string | null;
  readonly rows: number;
}

function sourcesOf(blocks: readonly BlockFacts[]): Source[] {
  const found = new Map<string, Source>();
  for (const { source, by, rows } of blocks) {
    if (source === null) continue;
    const name = sourceName(source);
    const key = JSON.stringify([name, by]);
    found.set(key, { key, source: name, by, rows: (found.get(key)?.rows ?? 0) + rows });
  }
  return [...found.values()].sort((a, b) => b.rows - a.rows).slice(0, 8);
}
