import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { lookupsQuery } from "../../api/queries.ts";
import type { Lookup } from "../../api/types.ts";
import {
  Badge,
  Card,
  Data,
  DataTable,
  EmptyState,
  ErrorPanel,
  Name,
  Page,
  SkeletonRows,
} from "../../design/display.tsx";
import { bytes, compact, count } from "../../design/format.ts";
import { behindText, toneOf } from "../lineage/states.ts";
import css from "./lookup.module.css";

/** Rows by key in this server's memory: which there are, how large they are, how far behind. */
export function Lookups(): ReactNode {
  const { data, error, isPending, refetch } = useQuery(lookupsQuery);
  return (
    <Page title="Lookups" about="Datasets held in memory by key, as this server has them.">
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={6} height={28} />}
      {data !== undefined && (data.length === 0 ? <NoLookups /> : <Table lookups={data} />)}
    </Page>
  );
}

function NoLookups(): ReactNode {
  return (
    <Card>
      <EmptyState title="No lookup yet">
        <p>
          In the <Link to="/workbench">workbench</Link>, "Keep this query" makes a dataset and, if you want, a lookup of
          it. For a dataset that is there, declare one:
        </p>
        <pre>
          <Data>{"kind: Lookup\nproject: web\nname: users\nspec:\n  dataset: users\n  key: [id]"}</Data>
        </pre>
      </EmptyState>
    </Card>
  );
}

function Table({ lookups }: { readonly lookups: readonly Lookup[] }): ReactNode {
  const sorted = lookups.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return (
    <Card flush>
      <DataTable
        label="Lookups"
        rows={sorted}
        keyOf={nameOf}
        columns={[
          {
            head: "Lookup",
            long: true,
            cell: ({ project, name, dataset, key }) => (
              <>
                <Link to="/lookups/$project/$lookup" params={{ project, lookup: name }}>
                  <Name>{`${project}.${name}`}</Name>
                </Link>
                <small className={css.of}>
                  <Name>{dataset}</Name> by <Data>{key.join(", ")}</Data>
                </small>
              </>
            ),
          },
          {
            head: "State",
            keep: true,
            cell: ({ state }) => (
              <Badge dot tone={toneOf(state)}>
                {state}
              </Badge>
            ),
          },
          { head: "Entries", number: true, cell: ({ entries }) => compact(entries) },
          { head: "Memory", number: true, cell: ({ bytes: size }) => bytes(size) },
          {
            head: "An entry",
            number: true,
            cell: ({ entryBytes }) => (entryBytes === null ? "" : `${count(entryBytes)} B`),
          },
          { head: "Behind", keep: true, cell: (one) => behindText(one.behindRows, one.behindMs) ?? "" },
        ]}
      />
    </Card>
  );
}

const nameOf = ({ project, name }: Lookup) => `${project}.${name}`;
