import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { activityQuery, datasetsQuery } from "../../api/queries.ts";
import { useRates } from "../../api/rates.ts";
import { buttonClass, SearchInput, Select } from "../../design/controls.tsx";
import { Card, EmptyState, ErrorPanel, MillraceCommand, Page, SkeletonRows } from "../../design/display.tsx";
import { compact, count, perSecond } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { DropTarget } from "../upload/drop-target.tsx";
import css from "./datasets.module.css";
import { labelsQuery } from "./labels.ts";
import { choose, formatSort, listed, parseSort } from "./listed.ts";
import { DatasetTable } from "./table.tsx";

const noLabels: ReadonlyMap<string, readonly string[]> = new Map();

/** Every dataset that one may read: what flows, how much there is, how fresh it is. */
export function Datasets(): ReactNode {
  const search = useSearch({ from: "/inside/datasets" });
  const navigate = useNavigate();
  const { data, error, isPending, refetch } = useQuery(datasetsQuery);
  const { data: activity } = useQuery(activityQuery);
  const rates = useRates();
  const projects = useMemo(() => [...new Set(data?.map(({ project }) => project))].sort(), [data]);
  const { data: labels = noLabels } = useQuery(labelsQuery(projects));
  const all = useMemo(() => listed(data ?? [], rates, activity, labels), [data, rates, activity, labels]);
  const sort = search.sort === undefined ? null : parseSort(search.sort);
  const shown = useMemo(
    () => choose(all, search, search.sort === undefined ? null : parseSort(search.sort)),
    [all, search],
  );
  const change = (part: Partial<typeof search>) =>
    void navigate({ to: "/datasets", search: clean({ ...search, ...part }), replace: true });

  return (
    <DropTarget into={null}>
      <Page
        title="Datasets"
        about={data === undefined ? "What this platform keeps" : about(all)}
        actions={
          <Link to="/upload" className={buttonClass({ look: "primary" })}>
            <Icon name="upload" />
            Upload a file
          </Link>
        }
      >
        {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
        {isPending && (
          <Card flush>
            <SkeletonRows rows={10} height={28} />
          </Card>
        )}
        {data?.length === 0 && <NoDatasets />}
        {data !== undefined && data.length > 0 && (
          <>
            <search className={css.filters}>
              <SearchInput
                label="Search datasets"
                value={search.find ?? ""}
                onChange={({ target }) => change({ find: target.value })}
              />
              <Choice
                label="Project"
                all="All projects"
                value={search.project}
                options={projects}
                onChange={(project) => change({ project })}
              />
              <Choice
                label="Label"
                all="All labels"
                value={search.label}
                options={[...new Set([...labels.values()].flat())].sort()}
                onChange={(label) => change({ label })}
              />
              <span className={css.found} role="status">
                {shown.length === all.length ? "" : `${count(shown.length)} of ${count(all.length)}`}
              </span>
            </search>
            {shown.length === 0 ? (
              <Card>
                <EmptyState title="No dataset fits">
                  <p>
                    <Link to="/datasets">Show all {count(all.length)}</Link>
                  </p>
                </EmptyState>
              </Card>
            ) : (
              <DatasetTable rows={shown} sort={sort} onSort={(next) => change({ sort: formatSort(next) })} />
            )}
          </>
        )}
      </Page>
    </DropTarget>
  );
}

function about(all: readonly { readonly rate: number; readonly dataset: { readonly rows: number } }[]): string {
  const rows = all.reduce((sum, { dataset }) => sum + dataset.rows, 0);
  const rate = all.reduce((sum, one) => sum + one.rate, 0);
  const flows = rate > 0 ? `, ${perSecond(rate)} rows/s now` : "";
  return `${count(all.length)} datasets, ${compact(rows)} rows${flows}`;
}

function Choice({
  label,
  all,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly all: string;
  readonly value: string | undefined;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
}): ReactNode {
  if (options.length === 0 && value === undefined) return null;
  return (
    <Select
      aria-label={label}
      className={css.choice}
      value={value ?? ""}
      onChange={({ target }) => onChange(target.value)}
    >
      <option value="">{all}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </Select>
  );
}

function NoDatasets(): ReactNode {
  return (
    <Card>
      <EmptyState title="No datasets yet">
        <p>
          Drop a file anywhere on this page, or send one from a terminal. Its columns and types are found by themselves.
        </p>
        <MillraceCommand args="ingest my.data YOUR_FILE.csv" />
        <Link to="/upload" className={buttonClass()}>
          <Icon name="upload" />
          Upload a file
        </Link>
      </EmptyState>
    </Card>
  );
}

function clean<Search extends Record<string, string | undefined>>(search: Search): Search {
  return Object.fromEntries(
    Object.entries(search).filter(([, value]) => value !== undefined && value !== ""),
  ) as Search;
}
