import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef } from "react";
import css from "./workbench.module.css";

const stepPixels = 24;

/** The line between two parts: dragged, or moved by arrows. */
export function Splitter({
  label,
  size,
  least,
  most,
  onSize,
}: {
  readonly label: string;
  /** Of the part above. */
  readonly size: number;
  readonly least: number;
  readonly most: number;
  readonly onSize: (size: number) => void;
}): ReactNode {
  const held = useRef<{ readonly y: number; readonly size: number } | null>(null);
  const set = (wanted: number) => onSize(Math.round(Math.min(most, Math.max(least, wanted))));
  const moved = (event: PointerEvent) => {
    if (held.current !== null) set(held.current.size + event.clientY - held.current.y);
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowUp: -stepPixels, ArrowDown: stepPixels, Home: -most, End: most }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    set(size + step);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a line that can be moved is no rule between texts
    <div
      role="separator"
      tabIndex={0}
      className={css.splitter}
      aria-orientation="horizontal"
      aria-label={label}
      aria-valuenow={size}
      aria-valuemin={least}
      aria-valuemax={most}
      onKeyDown={pressed}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        held.current = { y: event.clientY, size };
      }}
      onPointerMove={moved}
      onPointerUp={() => {
        held.current = null;
      }}
    />
  );
}
