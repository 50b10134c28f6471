export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
  readonly dataDirectory: string;
  readonly ownerTokenFile: string;
  /** No owner has a password yet: the console asks for the token once. */
  readonly needsSetUp: boolean;
  /** null: standard error. */
  readonly logFile: string | null;
  /** Aborts where the server cannot go on and has to be stopped; its reason says why. */
  readonly ended: AbortSignal;
  /** Live figures, for the screen of `up`. */
  counts(): { readonly datasets: number; readonly rows: number; readonly bytes: number; readonly queries: number };
}
