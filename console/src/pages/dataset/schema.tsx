import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Schema(): ReactNode {
  return <Page title="Schema">{null}</Page>;
}
