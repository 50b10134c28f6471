export type { BindOptions } from "./bind.ts";
export type { Credentials } from "./credentials.ts";
export { type AnswerHeaders, Exchange } from "./exchange.ts";
export { errorReply, schemaFailure } from "./failure.ts";
export { type Authenticator, defaultLimits, type EdgeLimits, type EdgeRoute, EdgeServer } from "./server.ts";
