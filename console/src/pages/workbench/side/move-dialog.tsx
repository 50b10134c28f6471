import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button, Field, Input } from "../../../design/controls.tsx";
import { ErrorPanel } from "../../../design/display.tsx";
import { Dialog, DialogActions, tell } from "../../../design/overlays.tsx";
import { folderPath, move, type SavedQuery } from "../saved.ts";
import { tabStore } from "../tab-store.ts";

/** Another name or folder for a saved query, within its project. */
export function MoveDialog({
  query,
  all,
  onClose,
}: {
  readonly query: SavedQuery | null;
  readonly all: readonly SavedQuery[];
  readonly onClose: () => void;
}): ReactNode {
  return (
    <Dialog title="Move or rename the query" isOpen={query !== null} onClose={onClose}>
      {query !== null && <MoveForm query={query} all={all} onClose={onClose} />}
    </Dialog>
  );
}

function MoveForm({
  query,
  all,
  onClose,
}: {
  readonly query: SavedQuery;
  readonly all: readonly SavedQuery[];
  readonly onClose: () => void;
}): ReactNode {
  const client = useQueryClient();
  const [title, setTitle] = useState(query.title);
  const [folder, setFolder] = useState(query.folder);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const folders = new Set(all.filter(({ project }) => project === query.project).map((one) => one.folder));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await move(client, query, { title: title.trim(), folder: folderPath(folder) });
      for (const { id, saved } of tabStore.state().tabs)
        if (saved?.project === query.project && saved.name === query.name) tabStore.change(id, { name: title.trim() });
      tell(`Moved ${title.trim()}`);
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
