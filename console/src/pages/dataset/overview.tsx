import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Overview(): ReactNode {
  return <Page title="Overview">{null}</Page>;
}
