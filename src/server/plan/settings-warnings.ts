/** Logs, at the start and after each reload, settings that are valid but probably not intended. */
import { formatSettingPath } from "../../config/setting-path.ts";
import { settingsWarnings } from "../../config/settings-warnings.ts";
import type { Opening } from "./part.ts";

export function tellSettingsWarnings({ settings, ports: { log }, parts }: Opening): void {
  const tell = (warnings: ReturnType<typeof settingsWarnings>) => {
    for (const { path, message: problem } of warnings) {
      log.event("settings-warning", { key: formatSettingPath(path), problem });
    }
  };
  tell(settingsWarnings(settings));
  parts.add({ name: "settings-warnings", view: settingsWarnings, prepare: (next) => () => tell(next) });
}
