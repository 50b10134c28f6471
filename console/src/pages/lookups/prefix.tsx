import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Lookup } from "../../api/types.ts";
import { Button, Field, Input } from "../../design/controls.tsx";
import { Card, Data, DataTable, ErrorPanel, SkeletonRows } from "../../design/display.tsx";
import { textOf } from "../dataset/value.tsx";
import css from "./lookup.module.css";
import { type Entry, entriesQuery } from "./reads.ts";

/** Entries by how their keys begin. */
export function Prefix({ lookup: { project, name, entries } }: { readonly lookup: Lookup }): ReactNode {
  const search = useSearch({ from: "/inside/lookups/$project/$lookup" });
  const navigate = useNavigate();
  const { prefix } = search;
  const [text, setText] = useState(prefix ?? "");
  const [isAll, setAll] = useState(prefix !== undefined);
  const asked = prefix ?? (isAll ? "" : undefined);
  const { data, error, isFetching, hasNextPage, fetchNextPage } = useInfiniteQuery(entriesQuery(project, name, asked));
  const found = (data?.pages.flatMap((page) => page.entries) ?? []).sort((a, b) => (a.key < b.key ? -1 : 1));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAll(true);
    const { prefix: _, ...rest } = search;
    void navigate({
      to: "/lookups/$project/$lookup",
      params: { project, lookup: name },
      search: text === "" ? rest : { ...rest, prefix: text },
      replace: true,
      resetScroll: false,
    });
  };
  return (
    <Card title="Keys that begin so">
      <div className={css.stack}>
        <form className={css.ask} onSubmit={submit}>
          <Field label="Beginning">
            {(tie) => (
              <Input
                {...tie}
                value={text}
                placeholder="Empty: all"
                autoComplete="off"
                spellCheck={false}
                onChange={({ target }) => setText(target.value)}
              />
            )}
          </Field>
          <Button type="submit">List</Button>
        </form>
        {error !== null && <ErrorPanel error={error} />}
        {asked === undefined && <p className={css.quiet}>It looks at all keys, page by page.</p>}
        {isFetching && found.length === 0 && <SkeletonRows rows={3} />}
        {asked !== undefined && !isFetching && error === null && found.length === 0 && !hasNextPage && (
          <p>
            {asked === "" ? "There is no entry." : "No key begins with "}
            {asked !== "" && <Data>{asked}</Data>}
          </p>
        )}
      </div>
      {found.length > 0 && <Entries project={project} lookup={name} entries={found} />}
      {hasNextPage && (
        <div className={css.more}>
          <Button disabled={isFetching} onClick={() => void fetchNextPage()}>
            {isFetching ? "Looking" : `More of ${entries.toLocaleString("en")}`}
          </Button>
        </div>
      )}
    </Card>
  );
}

function Entries({
  project,
  lookup,
  entries,
}: {
  readonly project: string;
  readonly lookup: string;
  readonly entries: readonly Entry[];
}): ReactNode {
  return (
    <div className={css.entries}>
      <DataTable
        label="Entries"
        rows={entries}
        keyOf={({ key }) => key}
        columns={[
          {
            head: "Key",
            cell: ({ key }) => (
              <Link
                to="/lookups/$project/$lookup"
                params={{ project, lookup }}
                search={(before) => ({ ...before, key })}
                replace
                resetScroll={false}
              >
                <Data>{key}</Data>
              </Link>
            ),
          },
          { head: "Row", long: true, cell: ({ row }) => <span className={css.short}>{short(row)}</span> },
        ]}
      />
    </div>
  );
}

const short = (row: Entry["row"]) =>
  Object.entries(row)
    .map(([name, value]) => `${name} ${textOf(value)}`)
    .join(", ")
    .slice(0, 300);
