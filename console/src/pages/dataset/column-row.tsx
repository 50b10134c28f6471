import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../../api/client.ts";
import { Badge, Data, Name, Skeleton } from "../../design/display.tsx";
import { compact, count } from "../../design/format.ts";
import { shown } from "../../design/shown.ts";
import { Bars } from "../../design/small-charts.tsx";
import { usePlace } from "./place.ts";
import { type ColumnFound, statisticsQuery } from "./reads.ts";
import css from "./schema.module.css";
import { useSeen } from "./seen.ts";
import { lookOf, type Statistics } from "./statistics.ts";

/** One column. Its statistics are asked for when it comes into view. */
export function ColumnRow({
  column,
  isOwn,
  isNullable,
  afterOffset,
}: {
  readonly column: ColumnFound;
  readonly isOwn: boolean;
  readonly isNullable: boolean;
  /** Of a large dataset, behind which row is counted; null: all are; not known yet without it. */
  readonly afterOffset: number | null | undefined;
}): ReactNode {
  const { project, dataset, seq } = usePlace();
  const [ref, isSeen] = useSeen<HTMLTableRowElement>();
  const { data, error } = useQuery({
    ...statisticsQuery(project, dataset, seq, column, afterOffset ?? null),
    enabled: isSeen && afterOffset !== undefined,
  });
  return (
    <tr ref={ref}>
      <th scope="row">
        <span className={css.name}>
          <Name>{column.name}</Name>
        </span>
        <span className={css.type}>
          <Data>{column.type}</Data>
          {isNullable ? "nullable" : "required"}
          {isOwn && <Badge>platform</Badge>}
        </span>
      </th>
      {error !== null ? (
        <td colSpan={4} className={css.failed}>
          <bdi>{error.message}</bdi>
          {error instanceof ApiError && ` (${error.code})`}
        </td>
      ) : data === undefined ? (
        <td colSpan={4}>
          <Skeleton height={36} />
        </td>
      ) : (
        <Facts statistics={data} type={column.type} />
      )}
    </tr>
  );
}

function Facts({ statistics, type }: { readonly statistics: Statistics; readonly type: string }): ReactNode {
  const { rows, filled, distinct, min, max, mean } = statistics;
  const part = rows === 0 ? 0 : filled / rows;
  return (
    <>
      <td title={`${count(rows - filled)} of ${count(rows)} rows have no value`}>
        <span className={css.filled}>
          <span className={css.filledPart} style={{ width: `${part * 100}%` }} />
        </span>
        <small>{percent(part)}</small>
      </td>
      <td className={css.number}>{compact(distinct)}</td>
      <td className={css.range}>
        {min === null ? (
          <small>no values</small>
        ) : (
          <>
            <bdi title={shown(min)}>{shown(short(min, type))}</bdi>
            {min !== max && (
              <>
                <small> to </small>
                <bdi title={shown(max ?? "")}>{shown(short(max ?? "", type))}</bdi>
              </>
            )}
            {mean !== null && <small className={css.mean}>mean {figures(mean)}</small>}
          </>
        )}
      </td>
      <td className={css.picture}>
        <Picture statistics={statistics} />
      </td>
    </>
  );
}

function Picture({ statistics }: { readonly statistics: Statistics }): ReactNode {
  const { histogram, top, filled, rows, distinct, min, max } = statistics;
  if (filled === 0) return null;
  if (histogram !== null && min === max) return <small>always the same</small>;
  if (histogram !== null) return <Bars values={histogram} width={240} height={40} label={shapeOf(histogram)} />;
  if (filled > 1 && distinct === filled) return <small>all different</small>;
  return (
    <ul className={css.top}>
      {(top ?? []).map(({ value, rows: n }) => (
        <li key={value}>
          <span className={css.topBar} style={{ width: `${(n / rows) * 100}%` }} />
          <bdi title={shown(value)}>{value === "" ? "(empty)" : shown(value)}</bdi>
          <small>{percent(n / rows)}</small>
        </li>
      ))}
    </ul>
  );
}

/** A picture of a distribution in words: where most of it lies. */
function shapeOf(histogram: readonly number[]): string {
  const most = histogram.indexOf(Math.max(...histogram));
  const total = histogram.reduce((sum, n) => sum + n, 0);
  const part = percent((histogram[most] ?? 0) / Math.max(1, total));
  return `Distribution over ${histogram.length} equal parts; part ${most + 1} has most: ${part}`;
}

function percent(part: number): string {
  if (part > 0 && part < 0.001) return "<0.1%";
  if (part < 1 && part > 0.999) return ">99.9%";
  return `${(part * 100).toFixed(part === 0 || part === 1 ? 0 : 1)}%`;
}

/** The day of a time, the first figures of a number. */
function short(value: string, type: string): string {
  const look = lookOf(type);
  if (look === "time") return value.slice(0, type === "DATE" ? 10 : 16);
  if (look === "text") return value.length > 28 ? `${value.slice(0, 28)}…` : value;
  return figures(Number(value));
}

const four = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A number as far as its size can be told at a glance: whole below a million, else four figures. */
function figures(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return count(value);
  return Math.abs(value) < 1e4 ? four.format(value) : compact(value);
}
