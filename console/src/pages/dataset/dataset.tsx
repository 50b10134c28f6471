import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function DatasetPage(): ReactNode {
  return <Page title="DatasetPage">{null}</Page>;
}
