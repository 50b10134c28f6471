import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button, Field, Input, Select } from "../../../design/controls.tsx";
import { ErrorPanel } from "../../../design/display.tsx";
import { Dialog, DialogActions, tell } from "../../../design/overlays.tsx";
import { folderPath, move, type SavedQuery } from "../saved.ts";
import { tabStore } from "../tab-store.ts";

/** Another name, folder or project for a saved query. */
export function MoveDialog({
  query,
  projects,
  all,
  onClose,
}: {
  readonly query: SavedQuery | null;
  readonly projects: readonly string[];
  readonly all: readonly SavedQuery[];
  readonly onClose: () => void;
}): ReactNode {
  return (
    <Dialog title="Move or rename the query" isOpen={query !== null} onClose={onClose}>
      {query !== null && <MoveForm query={query} projects={projects} all={all} onClose={onClose} />}
    </Dialog>
  );
}

function MoveForm({
  query,
  projects,
  all,
  onClose,
}: {
  readonly query: SavedQuery;
  readonly projects: readonly string[];
  readonly all: readonly SavedQuery[];
  readonly onClose: () => void;
}): ReactNode {
  const client = useQueryClient();
  const [title, setTitle] = useState(query.title);
  const [project, setProject] = useState(query.project);
  const [folder, setFolder] = useState(query.folder);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const folders = new Set(all.filter((one) => one.project === project).map((one) => one.folder));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const to = { project, title: title.trim(), folder: folderPath(folder) };
      const { name } = await move(client, query, to);
      for (const { id, saved } of tabStore.state().tabs)
        if (saved?.project === query.project && saved.name === query.name)
          tabStore.change(id, { name: to.title, saved: { project, name } });
      tell(`Moved ${to.title}`);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} style={{ display: "grid", gap: 16 }}>
      <Field label="Name">
        {(tie) => (
          <Input {...tie} value={title} maxLength={200} required onChange={({ target }) => setTitle(target.value)} />
        )}
      </Field>
      <Field label="Project" help="Whoever may see the project sees the query.">
        {(tie) => (
          <Select {...tie} value={project} onChange={({ target }) => setProject(target.value)}>
            {projects.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Folder" help="Names joined by slashes, as in reports/monthly. Empty: at the top.">
        {(tie) => (
          <Input
            {...tie}
            value={folder}
            maxLength={500}
            list="workbench-move-folders"
            onChange={({ target }) => setFolder(target.value)}
          />
        )}
      </Field>
      <datalist id="workbench-move-folders">
        {[...folders].sort().map((one) => one !== "" && <option key={one} value={one} />)}
      </datalist>
      {error !== null && <ErrorPanel error={error} />}
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button type="submit" look="primary" disabled={isBusy || title.trim() === ""}>
          {isBusy ? "Moving" : "Move"}
        </Button>
      </DialogActions>
    </form>
  );
}
