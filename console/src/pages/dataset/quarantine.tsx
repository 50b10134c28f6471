import type { ReactNode } from "react";

export function Quarantine(): ReactNode {
  return null;
}
