/** Why a server should get no new mail now, as probes and operators read it. */

export type OverloadCause = "memory" | "heap" | "disk" | "inodes" | "spool" | "event-loop";

/**
 * `disk` is overload, and new sessions are refused; `space` is less serious, and only messages are refused. `spool-refuses`:
 * the last message could not be stored. `queue-paused`: the spool cannot record what became of deliveries.
 */
export type NotReadyCause = OverloadCause | "space" | "spool-refuses" | "queue-paused" | "stopping" | "not-running";

export interface NotReady {
  readonly cause: NotReadyCause;
  /** Octets, inodes or milliseconds; both absent where nothing is measured. For disk, space and inodes, what is free. */
  readonly measured?: number;
  /** The most that is allowed; for disk, space and inodes, the least that must be free. */
  readonly limit?: number;
}
