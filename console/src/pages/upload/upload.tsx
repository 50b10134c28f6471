import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Upload(): ReactNode {
  return <Page title="Upload">{null}</Page>;
}
