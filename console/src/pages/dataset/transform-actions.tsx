import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { OneDataset } from "../../api/types.ts";
import { Button, buttonClass } from "../../design/controls.tsx";
import { ErrorPanel } from "../../design/display.tsx";
import { Dialog, DialogActions, Menu, tell, tellFailure } from "../../design/overlays.tsx";
import { DeleteDataset } from "./delete.tsx";
import { usePlace } from "./place.ts";
import { changeSql, makeAnew, setPaused } from "./transform-reads.ts";

type Transform = NonNullable<OneDataset["transform"]>;

/** What can be done with a transform: paused, let go on, changed, made again, deleted with its dataset. */
export function TransformActions({ transform }: { readonly transform: Transform }): ReactNode {
  const { project, dataset } = usePlace();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isDeleting, setDeleting] = useState(false);
  const [isBackfilling, setBackfilling] = useState(false);
  const isPaused = transform.state === "paused";
  const { mutate, isPending } = useMutation({
    mutationFn: () => setPaused(project, dataset, !isPaused),
    async onSuccess() {
      await client.invalidateQueries({ queryKey: ["dataset", project, dataset] });
      await client.invalidateQueries({ queryKey: ["lineage"] });
      tell(isPaused ? "It goes on where it stopped." : "It is paused; its rows stay.");
    },
    onError: tellFailure,
  });
  return (
    <>
      <Link to="/workbench" search={{ sql: transform.sql }} className={buttonClass({ small: true })}>
        Open in the workbench
      </Link>
      <Button small icon={isPaused ? "play" : "stop"} disabled={isPending} onClick={() => mutate()}>
        {isPaused ? "Resume" : "Pause"}
      </Button>
      <Menu
        label="What can be done with this transform"
        items={[
          {
            label: "Change its SELECT",
            icon: "workbench",
            onChoose: () =>
              void navigate({ to: "/workbench", search: { sql: changeSql(project, dataset, transform.sql) } }),
          },
          { label: "Make its result anew", icon: "refresh", onChoose: () => setBackfilling(true) },
          { label: "Delete", icon: "close", isDangerous: true, onChoose: () => setDeleting(true) },
        ]}
      />
      <MakeAnew isOpen={isBackfilling} onClose={() => setBackfilling(false)} />
      <DeleteDataset project={project} dataset={dataset} isOpen={isDeleting} onClose={() => setDeleting(false)} />
    </>
  );
}

function MakeAnew({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactNode {
  const { project, dataset } = usePlace();
  const client = useQueryClient();
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => makeAnew(project, dataset),
    async onSuccess() {
      onClose();
      await client.invalidateQueries({ queryKey: ["dataset", project, dataset] });
      tell("The next run makes it anew, and commits what differs as one block.");
    },
  });
  return (
    <Dialog title="Make the result anew?" isOpen={isOpen} onClose={onClose}>
      <p>
        The next run reads all rows that its inputs have now. Rows of its result whose input rows have expired are taken
        back.
      </p>
      {error !== null && <ErrorPanel error={error} />}
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button look="primary" disabled={isPending} onClick={() => mutate()}>
          Make it anew
        </Button>
      </DialogActions>
    </Dialog>
  );
}
