export type { NewTokenInput, TokenView, UserView } from "./accounts.ts";
export type { Grant } from "./grants.ts";
export { type Credentials, Identity, type IdentityOptions, type Principal } from "./identity.ts";
export { identityKinds, type Privilege, type Role } from "./kinds.ts";
export { type Action, narrows, type Target } from "./policy.ts";
export { MasterKeys } from "./secrets.ts";
