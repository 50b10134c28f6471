import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Chain(): ReactNode {
  return <Page title="Chain">{null}</Page>;
}
