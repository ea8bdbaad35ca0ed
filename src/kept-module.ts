/** Modules that load on first use and are kept. */

/**
 * Makes a function that loads a module once. What it has loaded serves also when the file is gone:
 * the host deletes a copy of this plugin when it replaces it in a running gateway, while a login that
 * the copy has opened lives on.
 */
export function keptModule<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return async () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return await loading;
  };
}
