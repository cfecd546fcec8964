/** What was found out about a message's sender, kept with its history in the words of that day. Types only. */
export interface AuthenticationNote {
  readonly spf: { readonly result: string; readonly domain: string; readonly reason: string };
  /** In the order of the fields; the first few of many. */
  readonly dkim: readonly {
    readonly result: string;
    readonly domain: string;
    readonly selector: string;
    readonly detail: string;
  }[];
  readonly arc: { readonly result: string; readonly detail: string };
  readonly dmarc: {
    readonly result: string;
    /** Author domain. */
    readonly domain?: string;
    /** What it asks for when the message fails. */
    readonly policy: string;
    readonly detail: string;
  };
  readonly iprev: { readonly result: string; readonly detail: string };
  readonly disposition: "deliver" | "junk";
  /** The rule that decided; absent in the history of older versions. */
  readonly rule?: string;
  /** What was done and why. */
  readonly why: string;
  /** Key of the setting that decided. */
  readonly setting?: string;
}
