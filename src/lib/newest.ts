/** Maps that remember the newest of what was put into them, and no more than so many. */

/** Sets `key` as the newest entry and drops the oldest beyond `max`. */
export function keepNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
