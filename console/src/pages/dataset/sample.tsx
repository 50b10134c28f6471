import type { ReactNode } from "react";

export function Sample(): ReactNode {
  return null;
}
