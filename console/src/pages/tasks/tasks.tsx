import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Tasks(): ReactNode {
  return <Page title="Tasks">{null}</Page>;
}
