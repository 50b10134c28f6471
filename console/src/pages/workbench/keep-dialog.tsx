import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, lazy, type ReactNode, Suspense, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { projectsQuery } from "../../api/queries.ts";
import { Button, Field, Input, Select } from "../../design/controls.tsx";
import { Data, ErrorPanel, Skeleton, SkeletonRows } from "../../design/display.tsx";
import { Dialog, DialogActions, tell } from "../../design/overlays.tsx";
import { Grid } from "../dataset/grid.tsx";
import css from "./keep.module.css";
import { columnsOf, explained, keepQuery, namePattern, placeInSelect, preview } from "./kept-query.ts";

const SqlText = lazy(() => import("./editor/sql-text.tsx"));

/** A query becomes a dataset that stays right as rows arrive. */
export function KeepDialog({ sql, onClose }: { readonly sql: string | null; readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title="Keep this query" isOpen={sql !== null} onClose={onClose} wide>
      {sql !== null && <KeepForm sql={sql} onClose={onClose} />}
    </Dialog>
  );
}

function KeepForm({ sql, onClose }: { readonly sql: string; readonly onClose: () => void }): ReactNode {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data } = useQuery(projectsQuery);
  const projects = (data?.resources ?? []).map(({ name }) => name).filter((name) => name !== "system");
  const how = useQuery({
    queryKey: ["keep", "explain", sql],
    queryFn: ({ signal }) => explained(sql, signal),
    retry: false,
    staleTime: 0,
  });
  const [chosen, setChosen] = useState<string | null>(null);
  const project =
    chosen ??
    projects.find((name) => how.data !== undefined && readsOf(how.data).startsWith(`${name}.`)) ??
    projects[0] ??
    "";
  const [dataset, setDataset] = useState("");
  const [keyText, setKeyText] = useState("");
  const [isLookup, setLookup] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const key = columnsOf(keyText);
  const unless = reason({ how, dataset, isLookup, key });

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (unless !== null) return;
    setBusy(true);
    setError(null);
    try {
      await keepQuery({ sql, project, dataset, key, isLookup });
      onClose();
      await client.invalidateQueries({ queryKey: ["datasets"] });
      tell(`${project}.${dataset} is kept right from now on.`);
      await navigate({ to: "/datasets/$project/$dataset/transform", params: { project, dataset } });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };

  return (
    <form className={css.form} onSubmit={(event) => void submit(event)}>
      <p>The result becomes a dataset, which follows its inputs as their rows arrive.</p>
      <div className={css.names}>
        <Field label="Project">
          {(tie) => (
            <Select {...tie} value={project} onChange={({ target }) => setChosen(target.value)}>
              {projects.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </Select>
          )}
        </Field>
        <Field
          label="Name"
          wrong={dataset !== "" && !namePattern.test(dataset) ? "Small letters, digits and _; a letter first." : null}
        >
          {(tie) => (
            <Input
              {...tie}
              value={dataset}
              maxLength={63}
              placeholder="requests_per_minute"
              autoComplete="off"
              spellCheck={false}
              onChange={({ target }) => setDataset(target.value)}
            />
          )}
        </Field>
        <Field label="Key" help="One row for each; empty: none.">
          {(tie) => (
            <Input
              {...tie}
              value={keyText}
              placeholder="minute, status"
              autoComplete="off"
              spellCheck={false}
              onChange={({ target }) => setKeyText(target.value)}
            />
          )}
        </Field>
      </div>
      <label className={css.check}>
        <input type="checkbox" checked={isLookup} onChange={({ target }) => setLookup(target.checked)} />
        Also as a lookup: its rows by the key, from memory
      </label>
      <section aria-label="How it is kept right" className={css.how}>
        <h3>How it is kept right</h3>
        <How sql={sql} answer={how} />
      </section>
      <section aria-label="First rows" className={css.how}>
        <h3>First rows</h3>
        <FirstRows sql={sql} />
      </section>
      {error !== null && <ErrorPanel error={error} />}
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" unless={unless} disabled={isBusy}>
          {isBusy ? "Keeping it" : "Keep it"}
        </Button>
      </DialogActions>
    </form>
  );
}

interface Answer {
  readonly data: readonly (readonly [string, string])[] | undefined;
  readonly error: unknown;
}

const readsOf = (told: readonly (readonly [string, string])[]) => told.find(([about]) => about === "inputs")?.[1] ?? "";

/** Why it cannot be kept as it stands there; null where it can. */
function reason({
  how,
  dataset,
  isLookup,
  key,
}: {
  readonly how: Answer;
  readonly dataset: string;
  readonly isLookup: boolean;
  readonly key: readonly string[];
}): string | null {
  if (how.error !== null) return "This SELECT cannot be kept right";
  if (how.data === undefined) return "It is still being looked at";
  if (dataset === "") return "Give it a name first";
  if (!namePattern.test(dataset)) return "Its name has small letters, digits and _ only";
  if (isLookup && key.length === 0) return "A lookup needs a key";
  return null;
}

function How({ sql, answer }: { readonly sql: string; readonly answer: Answer }): ReactNode {
  if (answer.error !== null) return <Refused sql={sql} error={answer.error} />;
  if (answer.data === undefined) return <SkeletonRows rows={2} />;
  return (
    <dl className={css.told}>
      {/* Its columns are those of the first rows. */}
      {answer.data
        .filter(([about]) => about !== "columns")
        .map(([about, value]) => (
          <div key={about}>
            <dt>{about}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Why not, and where in the text. */
function Refused({ sql, error }: { readonly sql: string; readonly error: unknown }): ReactNode {
  const at = error instanceof ApiError && error.position !== null ? placeInSelect(error.position.offset) : null;
  return (
    <>
      <ErrorPanel error={error} />
      {at !== null && at >= 0 && at < sql.length && (
        <pre className={css.place}>
          <Data>{sql.slice(0, at)}</Data>
          <mark>{/^[\w"]+|^\S/.exec(sql.slice(at))?.[0]}</mark>
          <Data>{sql.slice(at).replace(/^([\w"]+|\S)/, "")}</Data>
        </pre>
      )}
      {at === null && (
        <Suspense fallback={<Skeleton height={60} />}>
          <SqlText sql={sql} label="The SELECT" />
        </Suspense>
      )}
    </>
  );
}

function FirstRows({ sql }: { readonly sql: string }): ReactNode {
  const { data, error } = useQuery({
    queryKey: ["keep", "preview", sql],
    queryFn: ({ signal }) => preview(sql, signal),
    retry: false,
    staleTime: 0,
  });
  if (error !== null) return <ErrorPanel error={error} />;
  if (data === undefined) return <SkeletonRows rows={3} />;
  if (data.rows.length === 0) return <p>It has no rows now.</p>;
  return (
    <div className={css.rows}>
      <Grid label="First rows of the result" columns={data.columns} rows={data.rows} />
    </div>
  );
}
