import type { ReactNode } from "react";
import css from "./figure.module.css";

/** Figures beside each other, as many as fit. */
export function FigureRow({ label, children }: { readonly label: string; readonly children: ReactNode }): ReactNode {
  return (
    <section className={css.row} aria-label={label}>
      {children}
    </section>
  );
}

/** One number that matters, with its name and what is to be said about it. */
export function Figure({
  name,
  value,
  more,
}: {
  readonly name: string;
  readonly value: ReactNode;
  readonly more?: ReactNode;
}): ReactNode {
  return (
    <div className={css.figure}>
      <span className={css.name}>{name}</span>
      <span className={css.value}>{value}</span>
      <span className={css.more}>{more}</span>
    </div>
  );
}
