export type { TokenView } from "./accounts.ts";
export { Identity, type Principal } from "./identity.ts";
export { identityKinds } from "./kinds.ts";
export { MasterKeys } from "./secrets.ts";
