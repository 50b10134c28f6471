import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Events(): ReactNode {
  return <Page title="Events">{null}</Page>;
}
