"use client";
// @ts-check
/**
 * The session as a React hook. On a server that renders pages it says "unknown", and touches nothing.
 */

import { useCallback, useSyncExternalStore } from "react";
import { UNKNOWN } from "./client.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./client.js").State} State */

/**
 * Who is signed in, as `client.state`; the component renders again with each change. While it is mounted and the page can
 * be seen, the server is asked every `watchSeconds` whether the session still lives (0: never): one question, however
 * many components use the hook.
 * @param {Client} client @param {{watchSeconds?: number}} [options] @returns {State}
 */
export function useSession(client, { watchSeconds = 3 } = {}) {
  const subscribe = useCallback(
    (/** @type {() => void} */ changed) => {
      const unwatch = watchSeconds > 0 ? client.watch(watchSeconds) : () => {};
      const unlisten = client.onChange(changed);
      return () => {
        unlisten();
        unwatch();
      };
    },
    [client, watchSeconds],
  );
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => UNKNOWN,
  );
}
