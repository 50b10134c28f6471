import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Components(): ReactNode {
  return <Page title="Components">{null}</Page>;
}
