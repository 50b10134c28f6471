import { createLink } from "@tanstack/react-router";
import type { ComponentProps, ReactNode } from "react";
import css from "./figure.module.css";
import { join } from "./join.ts";

/** Figures beside each other, as many as fit. */
export function FigureRow({ label, children }: { readonly label: string; readonly children: ReactNode }): ReactNode {
  return (
    <section className={css.row} aria-label={label}>
      {children}
    </section>
  );
}

interface Told {
  readonly name: string;
  readonly value: ReactNode;
  readonly more?: ReactNode;
}

/** One number that matters, with its name and what is to be said about it. */
export function Figure(told: Told): ReactNode {
  return (
    <div className={css.figure}>
      <Parts {...told} />
    </div>
  );
}

/** A figure that leads to its cause. */
export const FigureLink = createLink(FigureAnchor);

function FigureAnchor({ name, value, more, ...rest }: Told & Omit<ComponentProps<"a">, keyof Told>): ReactNode {
  return (
    <a {...rest} className={join(css.figure, css.link)}>
      <Parts name={name} value={value} more={more} />
    </a>
  );
}

function Parts({ name, value, more }: Told): ReactNode {
  return (
    <>
      <span className={css.name}>{name}</span>
      <span className={css.value}>{value}</span>
      <span className={css.more}>{more}</span>
    </>
  );
}
