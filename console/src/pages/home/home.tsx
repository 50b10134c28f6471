import type { ReactNode } from "react";
import { Page } from "../../design/display.tsx";

export function Home(): ReactNode {
  return <Page title="Home">{null}</Page>;
}
