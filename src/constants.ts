/** npm package name and plugin id. */
export const PLUGIN_ID = "kimi-code-oauth";
/** Provider id: the part before the slash in `kimi-code/kimi-for-coding`. */
export const PROVIDER_ID = "kimi-code";
/** Profile that onboarding stores unless the user names another. */
export const DEFAULT_PROFILE_ID = "kimi-code:default";
/** Model that a new user gets. */
export const DEFAULT_MODEL_REF = "kimi-code/kimi-for-coding";
/** Auth method and auth choice that use the Kimi CLI's login. */
export const CLI_LOGIN_METHOD_ID = "cli-login";
export const CLI_LOGIN_CHOICE_ID = "kimi-code-oauth";
/** Auth method and auth choice that sign in with a device code. */
export const DEVICE_CODE_METHOD_ID = "device-code";
export const DEVICE_CODE_CHOICE_ID = "kimi-code-device";
