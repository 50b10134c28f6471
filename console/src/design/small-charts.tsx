import type { ReactNode } from "react";

/** A line without axes, for a row of a table: the shape of the last hour. `label` says what it shows, for who cannot see it. */
export function Sparkline({
  values,
  label,
  width = 120,
  height = 28,
  color = "var(--chart-1)",
}: {
  readonly values: readonly number[];
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
  readonly color?: string;
}): ReactNode {
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  const y = (value: number) => height - 2 - (value / most) * (height - 4);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${y(value).toFixed(1)}`);
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
      preserveAspectRatio="none"
    >
      {values.length > 0 && (
        <>
          <path d={`M0,${height} L${points.join(" L")} L${width},${height} Z`} fill={color} opacity={0.14} />
          <path d={`M${points.join(" L")}`} fill="none" stroke={color} strokeWidth={1.5} strokeLinejoin="round" />
        </>
      )}
    </svg>
  );
}

/** Bars beside each other, for a distribution. */
export function Bars({
  values,
  label,
  width = 120,
  height = 28,
  color = "var(--chart-3)",
}: {
  readonly values: readonly number[];
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
  readonly color?: string;
}): ReactNode {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {values.map((value, at) => {
        const size = value === 0 ? 0 : Math.max(1, (value / most) * (height - 1));
        return (
          <rect
            key={at}
            x={at * step + 0.5}
            y={height - size}
            width={Math.max(1, step - 1)}
            height={size}
            fill={color}
            rx={1}
          />
        );
      })}
    </svg>
  );
}
