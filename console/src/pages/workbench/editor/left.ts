import type { EditorState } from "@codemirror/state";

/** States of tabs that are not shown: their text, selection and what can be undone. A closed tab is to be deleted here. */
export const left = new Map<string, EditorState>();
