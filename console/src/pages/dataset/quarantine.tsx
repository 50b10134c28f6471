import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Quarantine(): ReactNode {
  return <Page title="Quarantine">{null}</Page>;
}
