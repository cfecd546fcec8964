/** `posthaste.config.ts` in place of `posthaste.toml`: the same shape, with types. */
import type { SettingsInput } from "./settings-schema.ts";

/** Gives back what it is given; only there so that editors know the keys. */
export function defineConfig(settings: SettingsInput): SettingsInput {
  return settings;
}
