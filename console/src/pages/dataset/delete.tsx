import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import { Button, Field, Input } from "../../design/controls.tsx";
import { Data, ErrorPanel } from "../../design/display.tsx";
import { Dialog, DialogActions, tell } from "../../design/overlays.tsx";
import css from "./dataset.module.css";

/** Deleting wants the name typed: there is no way back. */
export function DeleteDataset({
  project,
  dataset,
  isOpen,
  onClose,
}: {
  readonly project: string;
  readonly dataset: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
}): ReactNode {
  return (
    <Dialog title="Delete this dataset?" isOpen={isOpen} onClose={onClose}>
      <Sure project={project} dataset={dataset} onClose={onClose} />
    </Dialog>
  );
}

function Sure({
  project,
  dataset,
  onClose,
}: {
  readonly project: string;
  readonly dataset: string;
  readonly onClose: () => void;
}): ReactNode {
  const name = `${project}.${dataset}`;
  const [typed, setTyped] = useState("");
  const client = useQueryClient();
  const navigate = useNavigate();
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => ask<void>(path`/api/v1/projects/${project}/datasets/${dataset}`, { method: "DELETE" }),
    async onSuccess() {
      await navigate({ to: "/datasets" });
      client.removeQueries({ queryKey: ["dataset", project, dataset] });
      await client.invalidateQueries({ queryKey: ["datasets"] });
      tell(`${name} is deleted.`);
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        if (typed === name) mutate();
      }}
    >
      <p>
        All rows of <Data>{name}</Data>, its chain and its quarantine are gone, for everyone.
      </p>
      <Field label={`Type ${name} to delete it`}>
        {(tie) => (
          <Input
            {...tie}
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Field>
      {error !== null && <ErrorPanel error={error} />}
      <DialogActions>
        <Button onClick={onClose}>Keep it</Button>
        <Button type="submit" look="danger" disabled={typed !== name || isPending}>
          Delete the dataset
        </Button>
      </DialogActions>
    </form>
  );
}
