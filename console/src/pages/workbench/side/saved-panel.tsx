import { useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { projectsQuery } from "../../../api/queries.ts";
import { Button } from "../../../design/controls.tsx";
import { EmptyState, ErrorPanel, Kbd, Name, SkeletonRows } from "../../../design/display.tsx";
import { Icon } from "../../../design/icon.tsx";
import { Dialog, DialogActions, Menu, tell, tellFailure } from "../../../design/overlays.tsx";
import { type Folder, remove, type SavedQuery, savedQueries, treeOf } from "../saved.ts";
import { MoveDialog } from "./move-dialog.tsx";
import css from "./side.module.css";

/** What the projects keep, as the tree of its folders. */
export function SavedPanel({ onOpen }: { readonly onOpen: (query: SavedQuery) => void }): ReactNode {
  const { data, isPending, error } = useQuery(projectsQuery);
  const projects = (data?.resources ?? []).map(({ name }) => name);
  const lists = useQueries({ queries: projects.map(savedQueries) });
  const [doomed, setDoomed] = useState<SavedQuery | null>(null);
  const [moving, setMoving] = useState<SavedQuery | null>(null);
  const failed = error ?? lists.find((list) => list.error !== null)?.error ?? null;
  const all = lists.flatMap((list) => list.data ?? []);
  if (isPending || lists.some((list) => list.isPending)) return <SkeletonRows rows={5} />;
  if (failed !== null && all.length === 0) return <ErrorPanel error={failed} />;
  if (all.length === 0) {
    return (
      <EmptyState title="Nothing saved yet">
        <p>
          <Kbd>Ctrl</Kbd> <Kbd>S</Kbd> in the editor keeps a query for everybody in its project.
        </p>
      </EmptyState>
    );
  }
  return (
    <>
      <ul className={css.list}>
        {projects.map((project, at) => {
          const queries = lists[at]?.data ?? [];
          if (queries.length === 0) return null;
          return (
            <FolderRow
              key={project}
              folder={{ ...treeOf(queries), name: project }}
              onOpen={onOpen}
              onMove={setMoving}
              onDelete={setDoomed}
            />
          );
        })}
      </ul>
      <MoveDialog
        query={moving}
        projects={projects.filter((name) => name !== "system")}
        all={all}
        onClose={() => setMoving(null)}
      />
      <DeleteDialog query={doomed} onClose={() => setDoomed(null)} />
    </>
  );
}

function FolderRow({
  folder,
  onOpen,
  onMove,
  onDelete,
}: {
  readonly folder: Folder;
  readonly onOpen: (query: SavedQuery) => void;
  readonly onMove: (query: SavedQuery) => void;
  readonly onDelete: (query: SavedQuery) => void;
}): ReactNode {
  const [isOpen, setOpen] = useState(true);
  return (
    <li>
      <button type="button" className={css.entry} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span className={css.turn} data-open={isOpen}>
          <Icon name="chevron" size={12} />
        </span>
        <Icon name="folder" size={14} />
        <Name>{folder.name}</Name>
      </button>
      {isOpen && (
        <ul className={css.inner}>
          {folder.folders.map((one) => (
            <FolderRow key={one.path} folder={one} onOpen={onOpen} onMove={onMove} onDelete={onDelete} />
          ))}
          {folder.queries.map((query) => (
            <li key={query.name} className={css.row}>
              <button type="button" className={css.entry} title={query.sql.slice(0, 500)} onClick={() => onOpen(query)}>
                <Icon name="workbench" size={13} />
                <Name>{query.title}</Name>
              </button>
              <Menu
                label={`What to do with ${query.title}`}
                items={[
                  { label: "Open", onChoose: () => onOpen(query) },
                  { label: "Move or rename", icon: "folder", onChoose: () => onMove(query) },
                  { label: "Copy its address", icon: "copy", onChoose: () => copyAddress(query) },
                  { label: "Delete", isDangerous: true, onChoose: () => onDelete(query) },
                ]}
              />
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function copyAddress({ project, name }: SavedQuery): void {
  const address = `${location.origin}/workbench?${new URLSearchParams({ saved: `${project}/${name}` })}`;
  navigator.clipboard.writeText(address).then(() => tell("Copied the address"), tellFailure);
}

function DeleteDialog({
  query,
  onClose,
}: {
  readonly query: SavedQuery | null;
  readonly onClose: () => void;
}): ReactNode {
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const go = async () => {
    if (query === null) return;
    setBusy(true);
    try {
      await remove(client, query);
      tell(`Deleted ${query.title}`);
      onClose();
    } catch (error) {
      tellFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Delete the saved query?" isOpen={query !== null} onClose={onClose}>
      <p>
        <Name>{query?.title}</Name> is gone for everybody in <Name>{query?.project}</Name>. Open tabs keep its text.
      </p>
      <DialogActions>
        <Button onClick={onClose}>Keep it</Button>
        <Button look="danger" disabled={isBusy} onClick={() => void go()}>
          Delete
        </Button>
      </DialogActions>
    </Dialog>
  );
}
