import { type KeyboardEvent, type ReactNode, useState } from "react";
import { IconButton } from "../../design/controls.tsx";
import { Name } from "../../design/display.tsx";
import { isUnderWay, useRun } from "./runs.ts";
import { mostTabs, type Tab, type Tabs } from "./tabs.ts";
import css from "./workbench.module.css";

interface TabActions {
  readonly onActivate: (id: string) => void;
  readonly onClose: (id: string) => void;
  readonly onRename: (id: string, name: string) => void;
  readonly onNew: () => void;
}

/** The open queries. Arrows go along, Delete closes, F2 or a double click renames. */
export function TabBar({ tabs: { tabs, active }, ...actions }: { readonly tabs: Tabs } & TabActions): ReactNode {
  return (
    <div className={css.tabBar}>
      <div className={css.tabs} role="tablist" aria-label="Queries">
        {tabs.map((tab, at) => (
          <TabHead
            key={tab.id}
            tab={tab}
            isActive={tab.id === active}
            neighbours={[tabs[at - 1]?.id, tabs[at + 1]?.id]}
            {...actions}
          />
        ))}
      </div>
      <IconButton
        small
        icon="plus"
        label="New query"
        unless={tabs.length >= mostTabs ? `${mostTabs} tabs are open; close one first` : null}
        onClick={actions.onNew}
      />
    </div>
  );
}

function TabHead({
  tab,
  isActive,
  neighbours: [before, after],
  onActivate,
  onClose,
  onRename,
}: {
  readonly tab: Tab;
  readonly isActive: boolean;
  readonly neighbours: readonly [string | undefined, string | undefined];
} & TabActions): ReactNode {
  const [isRenaming, setRenaming] = useState(false);
  const isBusy = isUnderWay(useRun(tab.id));
  const pressed = (event: KeyboardEvent) => {
    const to = event.key === "ArrowLeft" ? before : event.key === "ArrowRight" ? after : undefined;
    if (to !== undefined) {
      onActivate(to);
      document.getElementById(`tab-${to}`)?.focus();
    } else if (event.key === "F2") setRenaming(true);
    else if (event.key === "Delete") onClose(tab.id);
  };
  if (isRenaming) {
    const done = (name: string) => {
      if (name.trim() !== "") onRename(tab.id, name.trim());
      setRenaming(false);
    };
    return (
      <div className={css.tab} role="presentation" data-active={isActive}>
        <input
          className={css.rename}
          aria-label="Name of the query"
          // biome-ignore lint/a11y/noAutofocus: renaming was asked for
          autoFocus
          defaultValue={tab.name}
          maxLength={200}
          onFocus={({ target }) => target.select()}
          onBlur={({ target }) => done(target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") done(event.currentTarget.value);
            if (event.key === "Escape") setRenaming(false);
          }}
        />
      </div>
    );
  }
  return (
    <div className={css.tab} role="presentation" data-active={isActive}>
      <button
        type="button"
        role="tab"
        id={`tab-${tab.id}`}
        aria-selected={isActive}
        aria-controls="workbench-query"
        tabIndex={isActive ? 0 : -1}
        className={css.tabName}
        aria-keyshortcuts="Delete F2"
        title={`${tab.name} (double click or F2: rename; Delete: close)`}
        onClick={() => onActivate(tab.id)}
        onDoubleClick={() => setRenaming(true)}
        onAuxClick={({ button }) => button === 1 && onClose(tab.id)}
        onKeyDown={pressed}
      >
        {isBusy && <span className={css.busy} />}
        <Name>{tab.name}</Name>
      </button>
      {/* For the pointer alone: a list of tabs holds nothing but tabs, and the keyboard has Delete. */}
      <span aria-hidden="true">
        <IconButton
          small
          icon="close"
          label={`Close ${tab.name}`}
          tabIndex={-1}
          className={css.tabClose ?? ""}
          onClick={() => onClose(tab.id)}
        />
      </span>
    </div>
  );
}
