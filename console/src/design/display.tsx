import { type ComponentProps, createContext, type ReactNode, useContext, useState } from "react";
import { ApiError } from "../api/client.ts";
import { Button, IconButton } from "./controls.tsx";
import css from "./display.module.css";
import { Icon } from "./icon.tsx";
import { join } from "./join.ts";
import { shown } from "./shown.ts";

/** A page: its title, one sentence about it, what can be done, and its parts. */
export function Page({
  title,
  about,
  actions,
  children,
}: {
  readonly title: ReactNode;
  readonly about?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <main className={css.page} id="main" tabIndex={-1}>
      <header className={css.pageHead}>
        <div className={css.pageTitle}>
          <h1>{title}</h1>
          {about !== undefined && <p className={css.pageAbout}>{about}</p>}
        </div>
        {actions !== undefined && <div className={css.actions}>{actions}</div>}
      </header>
      {children}
    </main>
  );
}

export function Card({
  title,
  actions,
  flush = false,
  className,
  children,
  ...rest
}: Omit<ComponentProps<"section">, "title"> & {
  readonly title?: ReactNode;
  readonly actions?: ReactNode;
  /** Without room around its content: tables, grids. */
  readonly flush?: boolean;
}): ReactNode {
  return (
    <section {...rest} className={join(css.card, className)}>
      {(title !== undefined || actions !== undefined) && (
        <div className={css.cardHead}>
          <h2>{title}</h2>
          {actions !== undefined && <div className={css.actions}>{actions}</div>}
        </div>
      )}
      <div className={join(css.cardBody, flush && css.flush)}>{children}</div>
    </section>
  );
}

export type Tone = "plain" | "good" | "warn" | "bad" | "accent";

export function Badge({
  tone = "plain",
  dot = false,
  children,
}: {
  readonly tone?: Tone;
  readonly dot?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <span className={join(css.badge, tone !== "plain" && css[tone])}>
      {dot && <span className={css.dot} />}
      {children}
    </span>
  );
}

/** Stands where something will be, in its size. */
export function Skeleton({
  width = "100%",
  height = 16,
}: {
  readonly width?: number | string;
  readonly height?: number;
}): ReactNode {
  return <span className={css.skeleton} style={{ width, height }} aria-hidden="true" data-skeleton="" />;
}

export function SkeletonRows({
  rows = 5,
  height = 20,
}: {
  readonly rows?: number;
  readonly height?: number;
}): ReactNode {
  return (
    <div style={{ display: "grid", gap: 12, padding: 16 }} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={height} width={`${90 - ((row * 17) % 35)}%`} />
      ))}
    </div>
  );
}

/** Where there is nothing yet: what would be here, and the next command. */
export function EmptyState({ title, children }: { readonly title: string; readonly children?: ReactNode }): ReactNode {
  return (
    <div className={css.empty}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What went wrong, by the server's own words, and a way on. */
export function ErrorPanel({ error, again }: { readonly error: unknown; readonly again?: () => void }): ReactNode {
  const api = error instanceof ApiError ? error : null;
  return (
    <div className={css.error} role="alert">
      <strong>{error instanceof Error ? error.message : "Something went wrong."}</strong>
      {api?.hint != null && <p>{api.hint}</p>}
      <div className={css.errorCode}>
        {api !== null && <span>code {api.code}</span>}
        {api?.traceId != null && (
          <span>
            trace <span className={css.data}>{api.traceId}</span>
          </span>
        )}
      </div>
      {again !== undefined && (
        <div>
          <Button small icon="refresh" onClick={again}>
            Try again
          </Button>
        </div>
      )}
    </div>
  );
}

/** A command to run elsewhere, with a button that copies it. */
export function Command({ text }: { readonly text: string }): ReactNode {
  const [isCopied, setCopied] = useState(false);
  return (
    <div className={css.command}>
      <code>{text}</code>
      <IconButton
        small
        icon={isCopied ? "check" : "copy"}
        label={isCopied ? "Copied" : "Copy"}
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => {
            setCopied(true);
            setTimeout(() => setCopied(false), 1_500);
          });
        }}
      />
    </div>
  );
}

/** How Millrace's command line is called on the server's machine. */
export const CommandName = createContext("./millrace");

/** A command of Millrace's own, as it is called there. */
export function MillraceCommand({ args }: { readonly args: string }): ReactNode {
  return <Command text={`${useContext(CommandName)} ${args}`} />;
}

export function Kbd({ children }: { readonly children: ReactNode }): ReactNode {
  return <kbd className={css.kbd}>{children}</kbd>;
}

/** Text of the platform's data: names, hashes, values. Rendered as it is, in its own direction. */
export function Data({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <bdi className={css.data} dir="ltr">
      {typeof children === "string" ? shown(children) : children}
    </bdi>
  );
}

/** A name that people gave: whatever its script, it stands apart from the text around it. */
export function Name({ children }: { readonly children: ReactNode }): ReactNode {
  return <bdi>{typeof children === "string" ? shown(children) : children}</bdi>;
}

export interface Column<Row> {
  readonly head: ReactNode;
  readonly cell: (row: Row) => ReactNode;
  readonly number?: boolean;
  /** Its texts are short, and stand on one line. */
  readonly keep?: boolean;
  readonly width?: string;
  /** Its texts may be long: it keeps room for some words in a line. */
  readonly long?: boolean;
}

/** Rows that are few enough to be there at once. */
export function DataTable<Row>({
  label,
  columns,
  rows,
  keyOf,
}: {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string | number;
}): ReactNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={css.scroll} tabIndex={0} aria-label={label}>
      <table className={css.table}>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th key={at} scope="col" className={join(column.number && css.number)} style={{ width: column.width }}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column, at) => (
                <td
                  key={at}
                  className={join(column.number && css.number, column.keep && css.keep, column.long && css.long)}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Facts({ facts }: { readonly facts: readonly (readonly [string, ReactNode])[] }): ReactNode {
  return (
    <dl className={css.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** How far something is; `total` null: nobody knows. */
export function Meter({
  label,
  done,
  total,
}: {
  readonly label: string;
  readonly done: number;
  readonly total: number | null;
}): ReactNode {
  const part = total === null || total === 0 ? 0 : Math.min(1, done / total);
  return (
    <div
      className={css.meter}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      {...(total === null ? {} : { "aria-valuemax": total, "aria-valuenow": done })}
    >
      <div className={css.meterFill} style={{ width: `${part * 100}%` }} />
    </div>
  );
}

export function Warning({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <Badge tone="warn">
      <Icon name="warning" size={13} />
      {children}
    </Badge>
  );
}
