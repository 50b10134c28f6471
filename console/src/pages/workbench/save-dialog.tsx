import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { projectsQuery } from "../../api/queries.ts";
import { Button, Field, Input, Select } from "../../design/controls.tsx";
import { ErrorPanel, MillraceCommand, SkeletonRows } from "../../design/display.tsx";
import { Dialog, DialogActions, tell } from "../../design/overlays.tsx";
import { folderPath, nameFor, save, savedQueries } from "./saved.ts";
import { tabStore } from "./tab-store.ts";
import type { Tab } from "./tabs.ts";

/** Where a query that was not saved yet is to be kept, and how it is called. */
export function SaveDialog({ tab, onClose }: { readonly tab: Tab | null; readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title="Save the query" isOpen={tab !== null} onClose={onClose}>
      {tab !== null && <SaveForm tab={tab} onClose={onClose} />}
    </Dialog>
  );
}

function SaveForm({ tab, onClose }: { readonly tab: Tab; readonly onClose: () => void }): ReactNode {
  const client = useQueryClient();
  const { data, isPending, error: unread } = useQuery(projectsQuery);
  const projects = (data?.resources ?? []).map(({ name }) => name).filter((name) => name !== "system");
  const [chosen, setChosen] = useState<string | null>(null);
  const project = chosen ?? projects[0] ?? "";
  const [title, setTitle] = useState(tab.name);
  const [folder, setFolder] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const { data: others = [] } = useQuery({ ...savedQueries(project), enabled: project !== "" });
  const folders = [...new Set(others.map((one) => one.folder).filter((one) => one !== ""))].sort();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const name = nameFor(title, new Set(others.map((one) => one.name)));
      await save(client, { project, name, title, folder: folderPath(folder), sql: tab.sql, chart: tab.chart });
      tabStore.change(tab.id, { name: title, saved: { project, name } });
      tell(`Saved for ${project}`);
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  if (isPending) return <SkeletonRows rows={4} />;
  if (unread !== null) return <ErrorPanel error={unread} />;
  if (projects.length === 0) {
    return (
      <>
        <p>Saved queries belong to a project, and there is none yet. The first import makes one:</p>
        <MillraceCommand args="ingest my.data FILE.csv" />
      </>
    );
  }
  return (
    <form onSubmit={(event) => void submit(event)} style={{ display: "grid", gap: 16 }}>
      <Field label="Name">
        {(tie) => (
          <Input {...tie} value={title} maxLength={200} required onChange={({ target }) => setTitle(target.value)} />
        )}
      </Field>
      <Field label="Project" help="Whoever may see the project sees the query.">
        {(tie) => (
          <Select {...tie} value={project} onChange={({ target }) => setChosen(target.value)}>
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
            list="workbench-folders"
            onChange={({ target }) => setFolder(target.value)}
          />
        )}
      </Field>
      <datalist id="workbench-folders">
        {folders.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {error !== null && <ErrorPanel error={error} />}
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={isBusy || title.trim() === ""}>
          {isBusy ? "Saving" : "Save"}
        </Button>
      </DialogActions>
    </form>
  );
}
