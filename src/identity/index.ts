export {
  type Credentials,
  type Grant,
  Identity,
  type IdentityOptions,
  type Principal,
  type TokenView,
} from "./identity.ts";
export { identityKinds, type Privilege, type Role } from "./kinds.ts";
export type { Action, Target } from "./policy.ts";
export { MasterKeys } from "./secrets.ts";
