import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { Kbd } from "../design/display.tsx";
import { Dialog } from "../design/overlays.tsx";
import { places } from "./places.ts";
import css from "./shortcuts.module.css";

/** How long `g` waits for its letter. */
const secondKeyMs = 1_200;

/** Keys that work on every page, but not while somebody types. */
export function useShortcuts({
  openPalette,
  openHelp,
}: {
  readonly openPalette: () => void;
  readonly openHelp: () => void;
}): void {
  const navigate = useNavigate();
  const wentAt = useRef(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event)) return;
      if (event.key === "?") openHelp();
      else if (event.key === "/") {
        event.preventDefault();
        openPalette();
      } else if (event.key === "g") wentAt.current = event.timeStamp;
      else if (event.timeStamp - wentAt.current < secondKeyMs) {
        wentAt.current = 0;
        const place = places.find(({ letter }) => letter === event.key);
        if (place !== undefined) void navigate({ to: place.to });
      }
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [navigate, openPalette, openHelp]);
}

function isTyping(event: KeyboardEvent): boolean {
  // Into the shadow of the editor, too.
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
    target.closest("dialog[open]") !== null
  );
}

const others: readonly (readonly [readonly string[], string])[] = [
  [["Ctrl", "K"], "Find pages, datasets and actions"],
  [["/"], "The same"],
  [["?"], "This list"],
  [["Ctrl", "Enter"], "Workbench: run the selection, or all"],
  [["Ctrl", "S"], "Workbench: save the query"],
  [["Esc"], "Close what is open"],
];

export function Shortcuts({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactNode {
  const all = [...others, ...places.map(({ letter, label }) => [["g", letter], `Go to ${label}`] as const)];
  return (
    <Dialog title="Keys" isOpen={isOpen} onClose={onClose}>
      <dl className={css.list}>
        {all.map(([keys, what]) => (
          <div key={what + keys.join()}>
            <dt>
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
