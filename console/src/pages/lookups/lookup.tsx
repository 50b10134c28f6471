import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ApiError } from "../../api/client.ts";
import { lookupQuery } from "../../api/queries.ts";
import type { Lookup } from "../../api/types.ts";
import { Badge, Data, ErrorPanel, Name, Page, SkeletonRows } from "../../design/display.tsx";
import { Figure, FigureRow } from "../../design/figure.tsx";
import { bytes, compact, count, duration } from "../../design/format.ts";
import { toneOf, waitText } from "../lineage/states.ts";
import { LookupActions } from "./actions.tsx";
import css from "./lookup.module.css";
import { Prefix } from "./prefix.tsx";
import { Probe } from "./probe.tsx";

/** One lookup: whether it answers, how large and how far behind it is, and what it says of a key. */
export function LookupPage(): ReactNode {
  const { project, lookup } = useParams({ from: "/inside/lookups/$project/$lookup" });
  const { data, error, isPending, refetch } = useQuery(lookupQuery(project, lookup));
  const isGone = error instanceof ApiError && error.status === 404;
  return (
    <Page
      title={
        <>
          <Link to="/lookups" className={css.project}>
            <Name>{project}</Name>
          </Link>
          <span className={css.project}>.</span>
          <Name>{lookup}</Name>
        </>
      }
      about={data === undefined ? " " : <About lookup={data} />}
      actions={<LookupActions project={project} lookup={lookup} dataset={data?.dataset ?? null} />}
    >
      {error !== null && (
        <>
          <ErrorPanel error={error} again={() => void refetch()} />
          {isGone && (
            <p>
              <Link to="/lookups">All lookups</Link>
            </p>
          )}
        </>
      )}
      {isPending && <SkeletonRows rows={6} height={28} />}
      {data !== undefined && error === null && (
        <>
          <Figures lookup={data} />
          {data.problem !== null && (
            <p className={css.problem} role="alert">
              <Name>{data.problem}</Name>
            </p>
          )}
          <div className={css.columns}>
            <Probe lookup={data} />
            <Prefix lookup={data} />
          </div>
        </>
      )}
    </Page>
  );
}

function About({ lookup: { dataset, key } }: { readonly lookup: Lookup }): ReactNode {
  const [project = "", name = ""] = dataset.split(/\.(.*)/s);
  return (
    <>
      The rows of{" "}
      <Link to="/datasets/$project/$dataset" params={{ project, dataset: name }}>
        <Name>{dataset}</Name>
      </Link>{" "}
      by <Data>{key.join(", ")}</Data>, in this server's memory
    </>
  );
}

function Figures({ lookup }: { readonly lookup: Lookup }): ReactNode {
  const { state, entries, bytes: size, entryBytes, behindRows, behindMs, appliedOffset, skippedRows } = lookup;
  return (
    <FigureRow label="The lookup now">
      <Figure
        name="State"
        value={
          <Badge dot tone={toneOf(state)}>
            {state}
          </Badge>
        }
        more={
          state === "ready"
            ? "it answers"
            : state === "loading"
              ? "it answers when all rows are in"
              : "it is tried again"
        }
      />
      <Figure name="Entries" value={compact(entries)} more={entries === 1 ? "one key" : "one for each key"} />
      <Figure name="Memory" value={bytes(size)} more={entryBytes === null ? "" : `${count(entryBytes)} B an entry`} />
      <Figure
        name="Behind"
        value={behindRows === 0 ? "0 ms" : duration(behindMs)}
        more={behindRows === 0 ? "all commits are in" : waitText(behindRows)}
      />
      <Figure
        name="Rows taken in"
        value={compact(appliedOffset)}
        more={skippedRows === 0 ? "each has its place" : `${count(skippedRows)} had no key`}
      />
    </FigureRow>
  );
}
