import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { datasetsQuery } from "../api/queries.ts";
import { Icon, type IconName } from "../design/icon.tsx";
import { rank } from "./match.ts";
import css from "./palette.module.css";
import { places } from "./places.ts";
import { chooseTheme, isDark } from "./theme.ts";

interface Entry {
  readonly text: string;
  readonly kind: "page" | "dataset" | "action";
  readonly icon: IconName;
  readonly go: () => void;
}

const mostShown = 50;

/** Everything that can be gone to or done, by a few letters of its name. */
export function Palette({
  isOpen,
  onClose,
  onHelp,
}: {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onHelp: () => void;
}): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null || dialog.open === isOpen) return;
    if (isOpen) dialog.showModal();
    else dialog.close();
  }, [isOpen]);
  return (
    <dialog ref={ref} className={css.dialog} aria-label="Find" onClose={onClose}>
      {isOpen && <Finder onDone={() => ref.current?.close()} onHelp={onHelp} />}
    </dialog>
  );
}

function Finder({ onDone, onHelp }: { readonly onDone: () => void; readonly onHelp: () => void }): ReactNode {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const found = rank(useEntries(onHelp), text, ({ text: name }) => name).slice(0, mostShown);
  const choose = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onDone();
    entry.go();
  };
  const pressed = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const move = moves[event.key];
    if (move !== undefined && found.length > 0) {
      event.preventDefault();
      const next = (at + move + found.length) % found.length;
      setAt(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[at]);
    }
  };
  return (
    <>
      <input
        className={css.input}
        // biome-ignore lint/a11y/noAutofocus: the dialog was opened to type
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={found.length > 0 ? `${id}-${at}` : undefined}
        aria-label="Find pages, datasets, actions"
        placeholder="Pages, datasets, actions"
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
        spellCheck={false}
        autoComplete="off"
      />
      <div className={css.list} id={`${id}-list`} role="listbox" aria-label="Found" tabIndex={-1}>
        {found.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the combobox's
          <div
            key={`${entry.kind} ${entry.text}`}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className={css.option}
            onMouseMove={() => setAt(index)}
            onClick={() => choose(entry)}
          >
            <Icon name={entry.icon} />
            <bdi>{entry.text}</bdi>
            <span className={css.kind}>{entry.kind}</span>
          </div>
        ))}
        {found.length === 0 && <p className={css.none}>Nothing is called so.</p>}
      </div>
    </>
  );
}

function useEntries(onHelp: () => void): Entry[] {
  const navigate = useNavigate();
  const { data: datasets = [] } = useQuery(datasetsQuery);
  return [
    ...places.map(
      ({ to, label, icon }): Entry => ({ text: label, kind: "page", icon, go: () => void navigate({ to }) }),
    ),
    {
      text: "New query",
      kind: "action",
      icon: "workbench",
      go: () => void navigate({ to: "/workbench", search: { sql: "" } }),
    },
    { text: "Upload a file", kind: "action", icon: "upload", go: () => void navigate({ to: "/upload" }) },
    { text: "Switch theme", kind: "action", icon: "theme", go: () => chooseTheme(isDark() ? "light" : "dark") },
    { text: "Keys", kind: "action", icon: "key", go: onHelp },
    ...datasets.map(
      ({ project, dataset }): Entry => ({
        text: `${project}.${dataset}`,
        kind: "dataset",
        icon: "dataset",
        go: () => void navigate({ to: "/datasets/$project/$dataset", params: { project, dataset } }),
      }),
    ),
  ];
}
