export type { Lookup, LookupRows, LookupState } from "./contract.ts";
export { Lookups } from "./lookups.ts";
