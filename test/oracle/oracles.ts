import { compareArc } from "./arc-oracle.ts";
import type { Oracle } from "./comparison.ts";
import { compareCollectedDkim } from "./dkim-collected-oracle.ts";
import { compareDkim } from "./dkim-oracle.ts";
import { compareDmarc } from "./dmarc-oracle.ts";
import { compareSpf } from "./spf-oracle.ts";

export const oracles: Readonly<Record<string, Oracle>> = {
  spf: compareSpf,
  dkim: compareDkim,
  "dkim-collected": compareCollectedDkim,
  dmarc: compareDmarc,
  arc: compareArc,
};
