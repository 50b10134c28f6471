import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Sample(): ReactNode {
  return <Page title="Sample">{null}</Page>;
}
