/**
 * What the package gives to programs: typed configuration, and whole servers built from it. The commands are in
 * `bin/posthaste`.
 */
export { createServer } from "./server/create-server.ts";
export type { HttpServer, ServerPorts } from "./server/plan/server-ports.ts";
export type { OpenListener, ReloadResult, RunningServer, ServerPlan } from "./cli/running-server.ts";
export { StartError, type StartErrorCode } from "./cli/running-server.ts";
export { ConfigError, type ConfigProblem, type ConfigProblemCode } from "./config/config-problem.ts";
export { defineConfig } from "./config/define-config.ts";
export { type ConfigSources, type LoadedSettings, loadSettings } from "./config/load-settings.ts";
export { type Settings, type SettingsInput, settingsSchema } from "./config/settings-schema.ts";
