import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { blockQuery, datasetQuery } from "../../api/queries.ts";
import { buttonClass } from "../../design/controls.tsx";
import { factsOf } from "./block.ts";
import css from "./dataset.module.css";
import { usePlace } from "./place.ts";

/** Says that the past is shown, which, and the way back. */
export function TimeTravel({ seq }: { readonly seq: number }): ReactNode {
  const { project, dataset } = usePlace();
  const { data: head } = useQuery(datasetQuery(project, dataset));
  const { data: block } = useQuery(blockQuery(project, dataset, seq));
  const at = block == null ? null : factsOf(block).at;
  const isBeyond = head !== undefined && seq > head.seq;
  return (
    <section className={css.travel} aria-label="Time travel">
      <p role="status">
        {isBeyond ? (
          <>
            There is no block {seq} yet: the newest is {head.seq}.
          </>
        ) : (
          <>
            You see the dataset as of <strong>block {seq}</strong>
            {at !== null && <>, committed {new Date(at).toLocaleString("en-GB")}</>}.{" "}
            {head !== undefined && seq === head.seq ? "It is the newest." : "Later rows are not shown."}
          </>
        )}
      </p>
      <div className={css.travelButtons}>
        {seq > 0 && (
          <Link to="." search={(now) => ({ ...now, seq: seq - 1 })} className={buttonClass({ small: true })}>
            Earlier
          </Link>
        )}
        {head !== undefined && seq < head.seq && (
          <Link to="." search={(now) => ({ ...now, seq: seq + 1 })} className={buttonClass({ small: true })}>
            Later
          </Link>
        )}
        <Link to="." search={({ seq: _, ...now }) => now} className={buttonClass({ small: true, look: "primary" })}>
          Back to now
        </Link>
      </div>
    </section>
  );
}
