/** npm package name and plugin id. */
export const PLUGIN_ID = "kimi-code-oauth";
/** Provider id: the part before the slash in `kimi-code/kimi-for-coding`. */
export const PROVIDER_ID = "kimi-code";
/**
 * What OpenClaw's web settings call this plugin's search and fetch. It is the plugin's id, because
 * OpenClaw (2026.9.6) then takes a config that still names it after an uninstall for stale, and else
 * for invalid, after which hardly a command runs.
 */
export const WEB_PROVIDER_ID = "kimi-code-oauth";
/** Profile that onboarding stores unless the user names another. */
export const DEFAULT_PROFILE_ID = "kimi-code:default";
/** Model that a new user gets. */
export const DEFAULT_MODEL_REF = "kimi-code/kimi-for-coding";
/** Auth method that uses the Kimi CLI's login. */
export const CLI_LOGIN_METHOD_ID = "cli-login";
/** Auth method that signs in with a device code. */
export const DEVICE_CODE_METHOD_ID = "device-code";
/** Version of this plugin, equal to the one in package.json (a test compares them). */
export const PLUGIN_VERSION = "1.0.0";
