import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Workbench(): ReactNode {
  return <Page title="Workbench">{null}</Page>;
}
