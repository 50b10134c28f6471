import { DropdownMenu } from "radix-ui";
import { type ReactNode, useEffect, useId, useRef, useSyncExternalStore } from "react";
import { ApiError } from "../api/client.ts";
import { IconButton } from "./controls.tsx";
import { Icon, type IconName } from "./icon.tsx";
import { join } from "./join.ts";
import css from "./overlays.module.css";

/** A dialog over everything else: the browser's own, which holds the focus, closes by Escape and makes the rest inert. */
export function Dialog({
  title,
  isOpen,
  onClose,
  wide = false,
  children,
}: {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null || dialog.open === isOpen) return;
    if (isOpen) dialog.showModal();
    else dialog.close();
  }, [isOpen]);
  return (
    <dialog ref={ref} className={join(css.dialog, wide && css.wide)} aria-labelledby={id} onClose={onClose}>
      {isOpen && (
        <>
          <div className={css.head}>
            <h2 id={id}>{title}</h2>
            <IconButton icon="close" label="Close" onClick={() => ref.current?.close()} />
          </div>
          <div className={css.body}>{children}</div>
        </>
      )}
    </dialog>
  );
}

/** The buttons at a dialog's end. */
export function DialogActions({ children }: { readonly children: ReactNode }): ReactNode {
  return <div className={css.foot}>{children}</div>;
}

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly isDangerous?: boolean;
  /** Why it cannot be chosen now. */
  readonly unless?: string | null;
  readonly onChoose: () => void;
}

/** What can be done with a thing, behind one button. */
export function Menu({
  label,
  icon = "more",
  items,
}: {
  readonly label: string;
  readonly icon?: IconName;
  readonly items: readonly MenuItem[];
}): ReactNode {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <IconButton icon={icon} label={label} />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={css.menu} align="end" sideOffset={4}>
          {items.map((item) => (
            <DropdownMenu.Item
              key={item.label}
              className={join(css.item, item.isDangerous === true && css.itemBad)}
              disabled={item.unless != null}
              title={item.unless ?? undefined}
              onSelect={item.onChoose}
            >
              {item.icon !== undefined && <Icon name={item.icon} />}
              {item.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** The classes of tabs that are links: each has its own address. */
export const tabs = { list: css.tabs, tab: css.tab };

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly isBad: boolean;
}

let toasts: readonly Toast[] = [];
let nextToast = 0;
const listeners = new Set<() => void>();
const shownMs = { good: 4_000, bad: 12_000 };

function setToasts(now: readonly Toast[]): void {
  toasts = now;
  for (const listener of listeners) listener();
}

function show(text: string, isBad: boolean): void {
  const id = ++nextToast;
  setToasts([...toasts.slice(-3), { id, text, isBad }]);
  setTimeout(() => setToasts(toasts.filter((one) => one.id !== id)), isBad ? shownMs.bad : shownMs.good);
}

/** Says that something was done. */
export const tell = (text: string): void => show(text, false);

/** Says that something failed, by the server's own words. */
export function tellFailure(error: unknown): void {
  const code = error instanceof ApiError ? ` (${error.code})` : "";
  show(`${error instanceof Error ? error.message : "Something went wrong."}${code}`, true);
}

export function Toasts(): ReactNode {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={css.toasts} role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={join(css.toast, toast.isBad && css.toastBad)}>
          <bdi>{toast.text}</bdi>
          <IconButton
            small
            icon="close"
            label="Dismiss"
            onClick={() => setToasts(toasts.filter((one) => one.id !== toast.id))}
          />
        </div>
      ))}
    </div>
  );
}
