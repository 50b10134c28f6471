import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Datasets(): ReactNode {
  return <Page title="Datasets">{null}</Page>;
}
