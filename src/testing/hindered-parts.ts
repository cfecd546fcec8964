/** The parts of a server whose reloads a test can hold up, or have refused by any one of them. */
import { type Part, Parts, type ReloadablePart } from "../server/plan/part.ts";

export class HinderedParts extends Parts {
  /** Called when the part has prepared: may wait, and refuses by throwing. */
  hinder: (name: string) => void | Promise<void> = () => undefined;
  /** In the order in which a reload reaches them. */
  readonly reached: string[] = [];
  /** Put in force by the last reload. */
  readonly applied: string[] = [];

  override add<View>(part: Part | ReloadablePart<View>): void {
    if (!("prepare" in part)) return super.add(part);
    const { name } = part;
    this.reached.push(name);
    super.add<View>({
      ...part,
      prepare: async (next: View) => {
        if (name === this.reached[0]) this.applied.length = 0;
        const apply = await part.prepare(next);
        await this.hinder(name);
        return () => {
          this.applied.push(name);
          apply();
        };
      },
    });
  }
}
