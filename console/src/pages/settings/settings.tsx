import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Settings(): ReactNode {
  return <Page title="Settings">{null}</Page>;
}
