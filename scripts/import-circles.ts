/** Circles of files: each imports the next, be it only for a type, and the last one imports the first. */

/** Everything that a file imports, or exports from another: values and types, static and dynamic. `index`: its place in `text`. */
export function importsOf(text: string): readonly { readonly target: string; readonly index: number }[] {
  const statements = /^(?:import|export)\s(?:[^;"']*?\sfrom\s)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  return [...text.matchAll(statements)].map((match) => ({ target: match[1] ?? match[2] ?? "", index: match.index }));
}

/**
 * The files of each circle, sorted: the strongly connected components of the graph, after Tarjan. A file that imports
 * itself is a circle of one.
 */
export function importCircles(imports: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const circles: string[][] = [];
  const path: string[] = [];
  const order = new Map<string, number>();
  /** For each file that is still on the path: the place of the earliest one that it reaches. */
  const earliest = new Map<string, number>();

  function visit(file: string): number {
    const place = order.size;
    order.set(file, place);
    earliest.set(file, place);
    path.push(file);
    let reached = place;
    for (const target of imports.get(file) ?? []) {
      if (!order.has(target)) reached = Math.min(reached, visit(target));
      else if (earliest.has(target)) reached = Math.min(reached, order.get(target) ?? place);
    }
    earliest.set(file, reached);
    if (reached === place) {
      const members = path.splice(path.indexOf(file));
      for (const member of members) earliest.delete(member);
      if (members.length > 1 || imports.get(file)?.includes(file)) circles.push(members.toSorted());
    }
    return reached;
  }

  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return circles;
}
