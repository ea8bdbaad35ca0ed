/** Version of this plugin, equal to the one in package.json (a test compares them). */
export const PLUGIN_VERSION = "0.1.0";
