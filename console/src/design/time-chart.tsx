import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";
import { compact } from "./format.ts";

const [height, left, bottom, top] = [180, 52, 20, 8] as const;

/** Values over time, as an area with a scale: drawn as plain SVG, so that a page shows it at once. Steps are equally long. */
export function TimeChart({
  label,
  values,
  from,
  stepMs,
  format = compact,
}: {
  readonly label: string;
  readonly values: readonly number[];
  readonly from: string;
  readonly stepMs: number;
  readonly format?: (value: number) => string;
}): ReactNode {
  const id = useId();
  const { ref, width } = useWidth();
  const most = niceAbove(Math.max(...values, 0));
  const x = (at: number) => left + (at / Math.max(1, values.length - 1)) * (width - left - 4);
  const y = (value: number) => top + (1 - value / most) * (height - top - bottom);
  const line = values.map((value, at) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
  const start = Date.parse(from);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * (values.length - 1)));
  const anchor = (index: number) => (index === 0 ? "start" : index === ticks.length - 1 ? "end" : "middle");
  return (
    <svg
      ref={ref}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-labelledby={id}
      style={{ width: "100%", height, display: "block" }}
    >
      <title id={id}>{label}</title>
      {[0, 0.5, 1].map((part) => (
        <g key={part}>
          <line x1={left} x2={width - 4} y1={y(most * part)} y2={y(most * part)} stroke="var(--line)" />
          <text x={left - 8} y={y(most * part) + 4} textAnchor="end" fontSize="11" fill="var(--ink-3)">
            {format(most * part)}
          </text>
        </g>
      ))}
      {values.length > 1 && (
        <>
          <path
            d={`M${x(0)},${y(0)} L${line} L${x(values.length - 1)},${y(0)} Z`}
            fill="var(--chart-1)"
            opacity={0.16}
          />
          <path d={`M${line}`} fill="none" stroke="var(--chart-1)" strokeWidth={1.8} strokeLinejoin="round" />
          {ticks.map((at, index) => (
            <text key={index} x={x(at)} y={height - 4} textAnchor={anchor(index)} fontSize="11" fill="var(--ink-3)">
              {clock(start + at * stepMs)}
            </text>
          ))}
        </>
      )}
    </svg>
  );
}

/** The width that the drawing has, so that its text has the size of all other text. */
function useWidth(): { ref: RefObject<SVGSVGElement | null>; width: number } {
  const ref = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(720);
  useEffect(() => {
    const drawing = ref.current;
    if (drawing === null) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.round(entry?.contentRect.width ?? 720))));
    watch.observe(drawing);
    return () => watch.disconnect();
  }, []);
  return { ref, width };
}

function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceAbove(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}
