import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { IngestReceipt, Preview } from "../../api/types.ts";
import { Button, buttonClass } from "../../design/controls.tsx";
import { Badge, Card, Data, DataTable, Facts, Name } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { firstChart } from "./preview.ts";
import css from "./upload.module.css";

/** What became of the file, and where to go on. */
export function Receipt({
  receipt,
  preview,
  onNext,
}: {
  readonly receipt: IngestReceipt;
  readonly preview: Preview | undefined;
  readonly onNext: () => void;
}): ReactNode {
  const [project = "", dataset = ""] = receipt.dataset.split(".");
  const quarantined = receipt.quarantined ?? 0;
  const to = { params: { project, dataset } };
  return (
    <Card
      title={receipt.duplicate ? "It was there already: nothing was stored twice" : "The rows are in the chain"}
      actions={<Badge tone={quarantined > 0 ? "warn" : "good"}>{receipt.state}</Badge>}
    >
      <div className={css.receipt}>
        <Facts
          facts={[
            ["Dataset", <Name key="d">{receipt.dataset}</Name>],
            ["Rows", receipt.rows === null ? "not told" : count(receipt.rows)],
            ["Quarantined", count(quarantined)],
            ["Block", receipt.seq === null ? "none" : `#${receipt.seq}`],
            ["Receipt", <Data key="r">{receipt.id}</Data>],
          ]}
        />
        <div className={css.next}>
          <Link
            to="/workbench"
            search={{ sql: firstChart(project, dataset, preview) }}
            className={buttonClass({ look: "primary" })}
          >
            <Icon name="chart" />
            Chart it
          </Link>
          <Link to="/datasets/$project/$dataset" {...to} className={buttonClass()}>
            <Icon name="dataset" />
            Open the dataset
          </Link>
          {quarantined > 0 && (
            <Link to="/datasets/$project/$dataset/quarantine" {...to} className={buttonClass()}>
              <Icon name="warning" />
              Look at what was quarantined
            </Link>
          )}
          <Button look="quiet" onClick={onNext}>
            Upload another
          </Button>
        </div>
      </div>
      {receipt.reasons !== undefined && receipt.reasons.length > 0 && (
        <DataTable
          label="Why rows were quarantined"
          rows={receipt.reasons}
          keyOf={({ reason }) => reason}
          columns={[
            { head: "Reason", cell: ({ reason }) => <Name>{reason}</Name> },
            { head: "Rows", number: true, cell: (one) => count(one.count) },
            { head: "First line", number: true, cell: (one) => (one.firstLine === null ? "–" : count(one.firstLine)) },
          ]}
        />
      )}
    </Card>
  );
}
