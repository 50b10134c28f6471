import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function AccessPage(): ReactNode {
  return <Page title="AccessPage">{null}</Page>;
}
