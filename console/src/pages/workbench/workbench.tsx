import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useRef, useState } from "react";
import { sessionQuery } from "../../api/session.ts";
import { tableName } from "../../api/sql.ts";
import { SkeletonRows } from "../../design/display.tsx";
import { tell, tellFailure } from "../../design/overlays.tsx";
import { belongTo } from "./belonging.ts";
import { useCatalog } from "./catalog.ts";
import type { CatalogDataset } from "./editor/completion.ts";
import type { EditorHandle } from "./editor/editor.tsx";
import { left } from "./editor/left.ts";
import { KeepDialog } from "./keep-dialog.tsx";
import { selectOf } from "./kept-query.ts";
import { openSaved, openTab, useOpening } from "./opening.ts";
import { ResultPane } from "./result-pane.tsx";
import { isUnderWay, markOf, runs, useRun } from "./runs.ts";
import { SaveDialog } from "./save-dialog.tsx";
import { save, savedQuery } from "./saved.ts";
import { SidePanel } from "./side/side-panel.tsx";
import { Splitter } from "./splitter.tsx";
import { splitStatements } from "./statements.ts";
import { TabBar } from "./tab-bar.tsx";
import { tabStore, useTabs } from "./tab-store.ts";
import { emptyTab, type Tab } from "./tabs.ts";
import { Toolbar } from "./toolbar.tsx";
import { useKept } from "./use-kept.ts";
import css from "./workbench.module.css";

const Editor = lazy(() => import("./editor/editor.tsx"));

const defaultRowLimit = 10_000;
/** As in side.module.css. */
const narrow = 1_000;
const heights = { first: 200, least: 72, most: 900 };

/** SQL over everything that one may read: written, run, looked at, drawn, kept. */
export function Workbench(): ReactNode {
  const { data } = useQuery(sessionQuery);
  const who = data?.who ?? null;
  if (who === null) return null;
  const person = `${who.organization}/${who.user}`;
  belongTo(person);
  return <Bench key={person} />;
}

function Bench(): ReactNode {
  useOpening();
  const client = useQueryClient();
  const tabs = useTabs();
  const tab = tabs.tabs.find(({ id }) => id === tabs.active) ?? emptyTab("");
  const run = useRun(tab.id);
  const { datasets } = useCatalog();
  const editor = useRef<EditorHandle>(null);
  const [rowLimit, setRowLimit] = useKept("rows", defaultRowLimit, 1, 1_000_000);
  const [height, setHeight] = useKept("editor", heights.first, heights.least, heights.most);
  const isNarrow = innerWidth <= narrow;
  const [keptSide, keepSide] = useKept("side", 1, 0, 1);
  // Where it lies over the editor, it begins closed and goes when it has served.
  const [isOver, setOver] = useState(false);
  const isSideOpen = isNarrow ? isOver : keptSide === 1;
  const setSide = (isOpen: boolean) => (isNarrow ? setOver(isOpen) : keepSide(isOpen ? 1 : 0));
  const served = () => setOver(false);
  const [saving, setSaving] = useState<Tab | null>(null);
  const [keeping, setKeeping] = useState<string | null>(null);

  const runChosen = () => {
    const { text, from } = editor.current?.chosen() ?? { text: tab.sql, from: 0 };
    const statements = splitStatements(text).map((one) => ({ ...one, from: one.from + from, to: one.to + from }));
    if (statements.length === 0) tell("There is no statement to run.");
    else void runs.start(tab.id, statements, rowLimit);
  };
  const keepAsDataset = () => {
    const select = selectOf(editor.current?.chosen().text ?? tab.sql);
    if (select === null) tell("One SELECT can be kept. Select the one that is meant.");
    else setKeeping(select);
  };
  const keep = async () => {
    if (tab.sql.trim() === "") return;
    if (tab.saved === null) {
      setSaving(tab);
      return;
    }
    try {
      const { folder } = await savedQuery(tab.saved.project, tab.saved.name);
      await save(client, { ...tab.saved, title: tab.name, folder, sql: tab.sql, chart: tab.chart });
      tell(`Saved ${tab.name}`);
    } catch (error) {
      tellFailure(error);
    }
  };
  const closeTab = (id: string) => {
    tabStore.close(id);
    runs.drop(id);
    left.delete(id);
  };
  const look = ({ project, dataset }: CatalogDataset) => {
    const sql = `SELECT * FROM ${tableName(project, dataset)} LIMIT 1000`;
    const opened = tabStore.open({ name: dataset, sql });
    if (opened === null) openTab({ sql });
    else void runs.start(opened.id, splitStatements(sql), rowLimit);
  };

  return (
    <main className={css.page} id="main" tabIndex={-1}>
      <h1 className="visually-hidden">Workbench</h1>
      {isSideOpen && (
        <SidePanel
          onInsert={(text) => {
            editor.current?.insert(text);
            served();
          }}
          onLook={(dataset) => {
            look(dataset);
            served();
          }}
          onSaved={(query) => {
            openSaved(query);
            served();
          }}
          onRan={(sql) => {
            openTab({ sql });
            served();
          }}
          onClose={() => setSide(false)}
        />
      )}
      <div className={css.work}>
        <TabBar
          tabs={tabs}
          onActivate={(id) => tabStore.activate(id)}
          onClose={closeTab}
          onRename={(id, name) => tabStore.change(id, { name })}
          onNew={() => openTab({})}
        />
        <section
          className={css.query}
          id="workbench-query"
          role="tabpanel"
          aria-labelledby={`tab-${tab.id}`}
          style={{ gridTemplateRows: `45px ${height}px 9px minmax(120px, 1fr)` }}
        >
          <Toolbar
            isBusy={isUnderWay(run)}
            isEmpty={tab.sql.trim() === ""}
            rowLimit={rowLimit}
            isSideOpen={isSideOpen}
            onSide={() => setSide(!isSideOpen)}
            onRun={runChosen}
            onCancel={() => runs.cancel(tab.id)}
            onSave={() => void keep()}
            onKeep={keepAsDataset}
            onRowLimit={setRowLimit}
          />
          <div className={css.editor}>
            <Suspense fallback={<SkeletonRows rows={4} />}>
              <Editor
                ref={editor}
                tab={tab.id}
                sql={tab.sql}
                datasets={datasets}
                mark={markOf(run)}
                onChange={(sql) => tabStore.change(tab.id, { sql })}
                onRun={runChosen}
                onSave={() => void keep()}
              />
            </Suspense>
          </div>
          <Splitter
            label="Height of the editor"
            size={height}
            least={heights.least}
            most={heights.most}
            onSize={setHeight}
          />
          <div className={css.result}>
            <ResultPane tab={tab} />
          </div>
        </section>
      </div>
      <KeepDialog sql={keeping} onClose={() => setKeeping(null)} />
      <SaveDialog tab={saving} onClose={() => setSaving(null)} />
    </main>
  );
}
