import { setDiagnostics } from "@codemirror/lint";
import { EditorView } from "@codemirror/view";
import { type ReactNode, type Ref, useEffect, useImperativeHandle, useRef } from "react";
import type { Mark } from "../runs.ts";
import type { CatalogDataset } from "./completion.ts";
import { type EditorActions, editorState, language, sqlWith } from "./extensions.ts";
import { left } from "./left.ts";

export interface EditorHandle {
  /** What is to be run: the selected text and where it begins, or all of it. */
  readonly chosen: () => { readonly text: string; readonly from: number };
  readonly insert: (text: string) => void;
  readonly focus: () => void;
}

/**
 * The SQL of a tab. It lives in a shadow root, where CodeMirror adopts style sheets instead of writing style elements, which the
 * content security policy refuses.
 */
export default function Editor({
  ref,
  tab,
  sql,
  datasets,
  mark,
  onChange,
  onRun,
  onSave,
}: {
  readonly ref?: Ref<EditorHandle>;
  readonly tab: string;
  readonly sql: string;
  readonly datasets: readonly CatalogDataset[];
  readonly mark: Mark | null;
  readonly onChange: (sql: string) => void;
  readonly onRun: () => void;
  readonly onSave: () => void;
}): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const last = useRef({ tab, sql, datasets, onChange, onRun, onSave });
  last.current = { tab, sql, datasets, onChange, onRun, onSave };
  const actions = useRef<EditorActions>({
    run: () => last.current.onRun(),
    save: () => last.current.onSave(),
    changed: (text) => last.current.onChange(text),
    datasets: () => last.current.datasets,
  });

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const made = new EditorView({ state: editorState(last.current.sql, actions.current), root, parent: root });
    made.dom.style.height = "100%";
    view.current = made;
    return () => {
      left.clear();
      made.destroy();
      view.current = null;
    };
  }, []);

  const shown = useRef(tab);
  useEffect(() => {
    const editor = view.current;
    if (editor === null || shown.current === tab) return;
    left.set(shown.current, editor.state);
    shown.current = tab;
    editor.setState(left.get(tab) ?? editorState(last.current.sql, actions.current));
    editor.dispatch({ effects: language.reconfigure(sqlWith(last.current.datasets)) });
    editor.focus();
  }, [tab]);

  // A text that came from elsewhere: a saved query that was opened anew.
  useEffect(() => {
    const editor = view.current;
    if (editor === null || shown.current !== tab || editor.state.doc.toString() === sql) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: sql } });
  }, [sql, tab]);

  useEffect(() => {
    view.current?.dispatch({ effects: language.reconfigure(sqlWith(datasets)) });
  }, [datasets]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another tab has another text to mark
  useEffect(() => {
    const editor = view.current;
    if (editor === null) return;
    const end = editor.state.doc.length;
    const marks =
      mark === null || mark.from > end
        ? []
        : [{ from: mark.from, to: Math.min(end, mark.to), severity: "error" as const, message: mark.message }];
    editor.dispatch(setDiagnostics(editor.state, marks));
  }, [mark?.from, mark?.to, mark?.message, tab]);

  useImperativeHandle(
    ref,
    () => ({
      chosen() {
        const state = view.current?.state;
        if (state === undefined) return { text: last.current.sql, from: 0 };
        const { from, to } = state.selection.main;
        return from === to ? { text: state.doc.toString(), from: 0 } : { text: state.sliceDoc(from, to), from };
      },
      insert(text) {
        const editor = view.current;
        if (editor === null) return;
        editor.dispatch(editor.state.replaceSelection(text));
        editor.focus();
      },
      focus: () => view.current?.focus(),
    }),
    [],
  );

  return <div ref={host} style={{ height: "100%", minHeight: 0 }} />;
}
