import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Icon } from "../../design/icon.tsx";
import css from "./drop-target.module.css";
import { handOver } from "./dropped.ts";

/** A page on which files may be dropped anywhere: they go on to the upload, `into` a dataset where one is meant. */
export function DropTarget({
  into,
  children,
}: {
  readonly into: string | null;
  readonly children: ReactNode;
}): ReactNode {
  const navigate = useNavigate();
  const isOver = useFileDrop((files) => {
    handOver(files);
    void navigate({ to: "/upload", search: into === null ? {} : { into } });
  });
  return (
    <>
      {children}
      {isOver && (
        <div className={css.veil}>
          <div className={css.sign}>
            <Icon name="upload" size={28} />
            <strong>{into === null ? "Drop it: it becomes a dataset" : `Drop it: its rows go into ${into}`}</strong>
          </div>
        </div>
      )}
    </>
  );
}

/** Takes files that are dropped on the window; answers whether one is held over it now. */
export function useFileDrop(onFiles: (files: readonly File[]) => void): boolean {
  const [isOver, setOver] = useState(false);
  const taken = useRef(onFiles);
  taken.current = onFiles;
  useEffect(() => {
    // Each element that is entered is told before the one that is left.
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth++;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth--;
      if (depth <= 0) setOver(false);
    };
    const over = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length > 0) taken.current(files);
    };
    const ending = new AbortController();
    const { signal } = ending;
    window.addEventListener("dragenter", enter, { signal });
    window.addEventListener("dragleave", leave, { signal });
    window.addEventListener("dragover", over, { signal });
    window.addEventListener("drop", drop, { signal });
    return () => ending.abort();
  }, []);
  return isOver;
}
