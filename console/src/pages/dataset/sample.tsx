import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { datasetQuery } from "../../api/queries.ts";
import { Button, Segments } from "../../design/controls.tsx";
import { Card, EmptyState, ErrorPanel, MillraceCommand, SkeletonRows } from "../../design/display.tsx";
import { count, rowCount } from "../../design/format.ts";
import { Grid } from "./grid.tsx";
import { ownLast } from "./own-columns.ts";
import { usePlace, usePlaceSearch } from "./place.ts";
import { type Pick, picks, sampleQuery } from "./reads.ts";
import css from "./sample.module.css";

/** Some of the rows, as they are. */
export function Sample(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const search = usePlaceSearch();
  const navigate = useNavigate();
  const pick: Pick = picks.find((one) => one === search.pick) ?? "newest";
  const [drawn, setDrawn] = useState(0);
  const { data: head } = useQuery(datasetQuery(project, dataset));
  const isEmpty = seq === 0 || (head !== undefined && head.schema === null);
  const { data, error, isPending, refetch } = useQuery({
    ...sampleQuery(project, dataset, seq, pick, drawn),
    enabled: head !== undefined && !isEmpty,
  });
  if (isEmpty || (data !== undefined && data.rows.length === 0))
    return (
      <Card>
        <EmptyState title={seq === undefined ? "No rows yet" : "There were no rows yet"}>
          <MillraceCommand args={`ingest ${project}.${dataset} YOUR_FILE.csv`} />
        </EmptyState>
      </Card>
    );
  return (
    <Card
      flush
      title={data === undefined ? "Rows" : titleOf(data.rows.length, seq === undefined ? head?.rows : undefined)}
      actions={
        <>
          {pick === "random" && (
            <Button small icon="refresh" onClick={() => setDrawn(drawn + 1)}>
              Others
            </Button>
          )}
          <Segments
            label="Which rows"
            value={pick}
            options={[
              { value: "newest", label: "Newest" },
              { value: "first", label: "First" },
              { value: "random", label: "Random" },
            ]}
            onChange={(next) =>
              void navigate({ to: ".", search: (now) => ({ ...now, pick: next }), replace: true, resetScroll: false })
            }
          />
        </>
      }
    >
      {error !== null && (
        <div className={css.inset}>
          <ErrorPanel error={error} again={() => void refetch()} />
        </div>
      )}
      {isPending && <SkeletonRows rows={12} />}
      {data !== undefined && <Grid label="Rows" columns={ownLast(data.columns)} rows={data.rows} />}
    </Card>
  );
}

/** How many there are, and of how many where that is known and more. */
const titleOf = (shown: number, all: number | undefined): string =>
  all === undefined || all <= shown ? rowCount(shown) : `${count(shown)} of ${rowCount(all)}`;
