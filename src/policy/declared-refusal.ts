/** How a reason to refuse is declared, and how its words name their inputs. `reasons.ts` has the list. */
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";

export interface DeclaredRefusal<Text extends string = string> {
  /** 5yz refuses permanently, 4yz for now. */
  readonly code: number;
  readonly status: EnhancedStatus;
  /** What the peer hears. `{name}` is an input; what stands in `[…]` is left out where its last input is empty. */
  readonly text: Text;
  readonly meaning: string;
  /** What the operator or the sender can do. */
  readonly next: string;
  /** The setting that decides, where it is always the same one. */
  readonly setting: string | undefined;
}

export function refusal<const Text extends string>(
  code: number,
  status: EnhancedStatus,
  text: Text,
  more: { readonly meaning: string; readonly next: string; readonly setting?: string },
): DeclaredRefusal<Text> {
  return { code, status, text, setting: undefined, ...more };
}

/** The inputs that a text names in braces. */
export type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;
