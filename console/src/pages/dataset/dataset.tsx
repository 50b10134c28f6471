import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { nowMs } from "../../api/flow.ts";
import { datasetQuery } from "../../api/queries.ts";
import { useFlow } from "../../api/rates.ts";
import { tableName } from "../../api/sql.ts";
import type { OneDataset } from "../../api/types.ts";
import { buttonClass } from "../../design/controls.tsx";
import { ErrorPanel, Name, Page } from "../../design/display.tsx";
import { bytes, perSecond, rowCount } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { Menu, tabs } from "../../design/overlays.tsx";
import { Ago } from "../../design/time.tsx";
import { DropTarget } from "../upload/drop-target.tsx";
import css from "./dataset.module.css";
import { DeleteDataset } from "./delete.tsx";
import { usePlace } from "./place.ts";
import { TimeTravel } from "./time-travel.tsx";

const parts = [
  { to: "/datasets/$project/$dataset", label: "Overview" },
  { to: "/datasets/$project/$dataset/schema", label: "Schema" },
  { to: "/datasets/$project/$dataset/sample", label: "Sample" },
  { to: "/datasets/$project/$dataset/chain", label: "Chain" },
  { to: "/datasets/$project/$dataset/quarantine", label: "Quarantine" },
  { to: "/datasets/$project/$dataset/transform", label: "Transform" },
  { to: "/datasets/$project/$dataset/lineage", label: "Lineage" },
] as const;

/** What all parts of a dataset's page share: its name, its size, what can be done with it, and as of when it is seen. */
export function DatasetPage(): ReactNode {
  const { project, dataset, seq, keep } = usePlace();
  const navigate = useNavigate();
  const [isDeleting, setDeleting] = useState(false);
  const { data: head, error, refetch } = useQuery(datasetQuery(project, dataset));
  const path = `${project}.${dataset}`;
  const sql = `SELECT *\nFROM ${tableName(project, dataset, seq)}\nLIMIT 1000`;
  if (error instanceof ApiError && error.status === 404) return <Missing path={path} error={error} />;

  const page = (
    <Page
      title={
        <>
          <Link to="/datasets" search={{ project }} className={css.project}>
            <Name>{project}</Name>
          </Link>
          <span className={css.project}>.</span>
          <Name>{dataset}</Name>
        </>
      }
      about={<About />}
      actions={
        <>
          <Link to="/workbench" search={{ sql }} className={buttonClass({ look: "primary" })}>
            <Icon name="workbench" />
            Query
          </Link>
          {head !== undefined && takesRows(head) && (
            <Link to="/upload" search={{ into: path }} className={buttonClass()}>
              <Icon name="upload" />
              Add rows
            </Link>
          )}
          <Menu
            label="What can be done with this dataset"
            items={[
              {
                label: "Verify",
                icon: "check",
                onChoose: () => void navigate({ to: "/datasets/$project/$dataset", ...keep, hash: "verify" }),
              },
              {
                label: "Copy its name for SQL",
                icon: "copy",
                onChoose: () => void navigator.clipboard.writeText(tableName(project, dataset, seq)),
              },
              { label: "Delete", icon: "close", isDangerous: true, onChoose: () => setDeleting(true) },
            ]}
          />
        </>
      }
    >
      <nav className={tabs.list} aria-label="Parts of the dataset">
        {parts
          .filter(({ label }) => label !== "Transform" || head?.transform != null)
          .map(({ to, label }) => (
            <Link key={to} to={to} {...keep} className={tabs.tab} activeOptions={{ exact: true, includeSearch: false }}>
              {label}
            </Link>
          ))}
      </nav>
      {seq !== undefined && <TimeTravel seq={seq} />}
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {(seq === undefined || head === undefined || seq <= head.seq) && <Outlet />}
      <DeleteDataset project={project} dataset={dataset} isOpen={isDeleting} onClose={() => setDeleting(false)} />
    </Page>
  );
  return head !== undefined && !takesRows(head) ? page : <DropTarget into={path}>{page}</DropTarget>;
}

/** A copy has those of its origin, a derivative those of its transform. */
const takesRows = ({ origin, transform }: OneDataset) => origin === null && transform === null;

function About(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const { data } = useQuery(datasetQuery(project, dataset));
  const { rowsPerSecond, overMs } = useFlow({ project, dataset });
  if (data === undefined) return " ";
  return (
    <>
      {seq !== undefined && "Now: "}
      {rowCount(data.rows)}, {bytes(data.bytes)}, last commit <Ago at={data.lastCommitAt} />
      {rowsPerSecond > 0 && overMs <= nowMs && (
        <span className={css.flowing}>, {perSecond(rowsPerSecond)} rows/s now</span>
      )}
    </>
  );
}

function Missing({ path, error }: { readonly path: string; readonly error: ApiError }): ReactNode {
  return (
    <Page title={<Name>{path}</Name>}>
      <ErrorPanel error={error} />
      <p>
        <Link to="/datasets">All datasets</Link> or{" "}
        <Link to="/upload" search={{ into: path }}>
          upload a file
        </Link>{" "}
        that makes it.
      </p>
    </Page>
  );
}
