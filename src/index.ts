/** What `posthaste` gives to programs: typed configuration, and whole servers. `docs/embedding.md` shows how to use it. */
export {
  type Authenticate,
  defer,
  type EmbeddedServer,
  type HandlerAnswer,
  type MessageHandler,
  type ReceivedMessage,
  refuse,
  type ShownLogin,
  type StartOptions,
  startServer,
} from "./embedding/start-server.ts";
export { createServer } from "./server/create-server.ts";
export type { HttpServer } from "./ports/http-server.ts";
export type { ServerPorts } from "./server/plan/server-ports.ts";
export type { OpenListener, ReloadResult, RunningServer, ServerPlan } from "./cli/running-server.ts";
export { StartError, type StartErrorCode } from "./cli/running-server.ts";
export type { ReadableContent } from "./admin/readable-content.ts";
export type { ProgramAnswer } from "./outbound/program-delivery.ts";
export type { MessageOrigin } from "./spool/spool.ts";
export { ConfigError, type ConfigProblem, type ConfigProblemCode } from "./config/config-problem.ts";
export { defineConfig } from "./config/define-config.ts";
export { type ConfigSources, type LoadedSettings, loadSettings } from "./config/load-settings.ts";
export { type Settings, type SettingsInput, settingsSchema } from "./config/settings-schema.ts";
