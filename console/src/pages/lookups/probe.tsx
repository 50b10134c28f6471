import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import type { Lookup } from "../../api/types.ts";
import { Button, Field, Input } from "../../design/controls.tsx";
import { Badge, Card, Data, ErrorPanel, Name, Skeleton } from "../../design/display.tsx";
import { Value } from "../dataset/value.tsx";
import { joinKey, splitKey } from "./keys.ts";
import css from "./lookup.module.css";
import { probeQuery } from "./reads.ts";

/** Asks for the row of one key, as a program would. The key stands in the address. */
export function Probe({ lookup }: { readonly lookup: Lookup }): ReactNode {
  const { project, name, key: columns } = lookup;
  const { key, prefix } = useSearch({ from: "/inside/lookups/$project/$lookup" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [parts, setParts] = useState(() => splitKey(key ?? "", columns.length));
  useEffect(() => setParts(splitKey(key ?? "", columns.length)), [key, columns.length]);
  const asked = probeQuery(project, name, key);
  const { data, error, isFetching } = useQuery(asked);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const joined = joinKey(parts);
    if (joined === "") return;
    if (joined === key) void client.invalidateQueries({ queryKey: asked.queryKey });
    void navigate({
      to: "/lookups/$project/$lookup",
      params: { project, lookup: name },
      search: { key: joined, ...(prefix === undefined ? {} : { prefix }) },
      replace: true,
      resetScroll: false,
    });
  };

  return (
    <Card title="Ask for a key">
      <div className={css.stack}>
        <form className={css.ask} onSubmit={submit}>
          {columns.map((column, at) => (
            <Field key={column} label={column}>
              {(tie) => (
                <Input
                  {...tie}
                  value={parts[at] ?? ""}
                  autoComplete="off"
                  spellCheck={false}
                  onChange={({ target }) => setParts(parts.with(at, target.value))}
                />
              )}
            </Field>
          ))}
          <Button
            type="submit"
            look="primary"
            icon="search"
            unless={joinKey(parts) === "" ? "Write a key first" : null}
          >
            Get
          </Button>
        </form>
        <div aria-live="polite" className={css.answer}>
          {isFetching && <Skeleton height={20} />}
          {!isFetching && error !== null && <ErrorPanel error={error} />}
          {!isFetching && error === null && data !== undefined && (
            <Answer key={key} text={key ?? ""} row={data.row} tookMs={data.tookMs} />
          )}
          {key === undefined && <p className={css.quiet}>The row of a key, and how long the answer took.</p>}
        </div>
      </div>
    </Card>
  );
}

function Answer({
  text,
  row,
  tookMs,
}: {
  readonly text: string;
  readonly row: Readonly<Record<string, unknown>> | null;
  readonly tookMs: number;
}): ReactNode {
  return (
    <>
      <p className={css.said}>
        {row === null ? <Badge tone="warn">not found</Badge> : <Badge tone="good">found</Badge>}
        <span>
          {row === null ? "No row has the key " : "The row of "}
          <Data>{text}</Data>, in {tookMs.toFixed(1)} ms there and back
        </span>
      </p>
      {row !== null && (
        <dl className={css.row}>
          {Object.entries(row).map(([column, value]) => (
            <div key={column}>
              <dt>
                <Name>{column}</Name>
              </dt>
              <dd>
                <Value value={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
