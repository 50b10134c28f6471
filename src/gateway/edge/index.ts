export { type BindOptions, cannotListen, checkPort, decideTls, isLoopback, reachableHost } from "./bind.ts";
export { refuseForeignPage, sessionHeader } from "./browser.ts";
export type { Credentials } from "./credentials.ts";
export { errorReply } from "./error-reply.ts";
export { type AnswerHeaders, Exchange } from "./exchange.ts";
export { schemaFailure } from "./failure.ts";
export { defaultLimits, type EdgeLimits } from "./limits.ts";
export { type Authenticator, type EdgeRoute, EdgeServer, type Visitor } from "./server.ts";
