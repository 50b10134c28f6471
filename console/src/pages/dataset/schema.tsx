import type { ReactNode } from "react";

export function Schema(): ReactNode {
  return null;
}
