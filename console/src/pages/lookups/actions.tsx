import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import { tableName } from "../../api/sql.ts";
import { Button } from "../../design/controls.tsx";
import { ErrorPanel, Name } from "../../design/display.tsx";
import { Dialog, DialogActions, Menu, tell } from "../../design/overlays.tsx";

/** What can be done with a lookup; its dataset stays. */
export function LookupActions({
  project,
  lookup,
  dataset,
}: {
  readonly project: string;
  readonly lookup: string;
  readonly dataset: string | null;
}): ReactNode {
  const [isDeleting, setDeleting] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const name = `${project}.${lookup}`;
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => ask<unknown>(path`/api/v1/projects/${project}/resources/Lookup/${lookup}`, { method: "DELETE" }),
    async onSuccess() {
      await navigate({ to: "/lookups" });
      await client.invalidateQueries({ queryKey: ["lookups"] });
      tell(`${name} is deleted.`);
    },
  });
  const query = () => {
    const [its = "", table = ""] = (dataset ?? "").split(/\.(.*)/s);
    void navigate({ to: "/workbench", search: { sql: `SELECT *\nFROM ${tableName(its, table)}\nLIMIT 1000` } });
  };
  return (
    <>
      <Menu
        label="What can be done with this lookup"
        items={[
          {
            label: "Query its dataset",
            icon: "workbench",
            unless: dataset === null ? "It is not there yet" : null,
            onChoose: query,
          },
          {
            label: "See its lineage",
            icon: "lineage",
            onChoose: () => void navigate({ to: "/lineage", search: { pick: `lookup:${name}` } }),
          },
          { label: "Delete", icon: "close", isDangerous: true, onChoose: () => setDeleting(true) },
        ]}
      />
      <Dialog title="Delete this lookup?" isOpen={isDeleting} onClose={() => setDeleting(false)}>
        <p>
          Nothing answers by <Name>{name}</Name> any more, over HTTP or Redis. The rows of its dataset stay.
        </p>
        {error !== null && <ErrorPanel error={error} />}
        <DialogActions>
          <Button onClick={() => setDeleting(false)}>Keep it</Button>
          <Button look="danger" disabled={isPending} onClick={() => mutate()}>
            Delete the lookup
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}
