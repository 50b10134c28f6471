import type { ReactNode } from "react";

/** Drawn on a grid of 16 with lines of 1.5, rounded. */
const shapes = {
  home: "M2.5 7.2 8 2.5l5.5 4.7M4 6.2v7h8v-7",
  dataset:
    "M2.5 4c0-1 2.5-1.8 5.5-1.8S13.5 3 13.5 4 11 5.8 8 5.8 2.5 5 2.5 4Zm0 0v8c0 1 2.5 1.8 5.5 1.8s5.5-.8 5.5-1.8V4M2.5 8c0 1 2.5 1.8 5.5 1.8S13.5 9 13.5 8",
  lineage:
    "M2.5 6.3h3.4v3.4H2.5zM10.1 2.5h3.4v3.4h-3.4zM10.1 10.1h3.4v3.4h-3.4zM5.9 8h1.2c1.6 0 .9-3.8 3-3.8M7.1 8c1.6 0 .9 3.8 3 3.8",
  workbench: "m3 4 3.5 4L3 12M8.5 12.5H13",
  tasks: "M2.5 4 4 5.5 6.5 3M2.5 10.5 4 12l2.5-2.5M9 4.5h4.5M9 11h4.5",
  events: "M9 2 4 9h3.5L7 14l5-7H8.5L9 2Z",
  access: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-5 6c0-2.5 2.2-4 5-4s5 1.5 5 4",
  settings: "M2.5 4.5h6m3 0h2M10 3v3M2.5 11.5h2m3 0h6M6 10v3",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm3.2-1.3 3.3 3.3",
  close: "m4 4 8 8m0-8-8 8",
  minus: "M3 8h10",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  plus: "M8 3v10M3 8h10",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  copy: "M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3V5.5Z",
  download: "M8 2.5v7.5m-3-3 3 3 3-3M3 13h10",
  upload: "M8 10.5V3M5 6l3-3 3 3M3 13h10",
  play: "M5 3.2v9.6L12.5 8 5 3.2Z",
  stop: "M4 4h8v8H4z",
  check: "m3 8.5 3.2 3.2L13 4.8",
  warning: "M8 2.5 14 13H2L8 2.5Zm0 4v3m0 1.8v.1",
  chevron: "m6 4 4 4-4 4",
  down: "m4 6 4 4 4-4",
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.6h-2.6",
  theme: "M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 1 0 0-11.6Zm0 0v11.6m2.4-10.2v8.8",
  signout: "M6.5 3H3v10h3.5M7 8h6m-2.5-2.5L13 8l-2.5 2.5",
  pin: "M6 2.5h4l-.5 4 2 2.5h-7l2-2.5-.5-4ZM8 9v4.5",
  filter: "M2.5 3.5h11L9.5 8.2v4.3l-3-1.5V8.2L2.5 3.5Z",
  folder: "M2.5 4h4l1.3 1.6h5.7V12.5h-11V4Z",
  history: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v2.6h2.6M8 5.2V8l2 1.5",
  chart: "M3 2.5V13h10.5M6 10V7.5M9 10V4.5M12 10V6",
  table: "M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.6h11M6.2 6.3V13",
  key: "M10 9a3.2 3.2 0 1 0-2.8-1.6L2.5 12v1.5H5V12h1.5v-1.5L8 9.2A3 3 0 0 0 10 9Zm1-3.2h.01",
} as const;

export type IconName = keyof typeof shapes;
export const iconNames = Object.keys(shapes) as readonly IconName[];

export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" aria-hidden="true" focusable="false">
      <path
        d={shapes[name]}
        stroke="currentColor"
        strokeWidth={name === "more" ? 2.4 : 1.5}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
