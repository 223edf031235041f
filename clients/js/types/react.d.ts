/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./client.js").State} State */
/**
 * Who is signed in, as `client.state`; the component renders again with each change. While it is mounted and the page can
 * be seen, the server is asked every `watchSeconds` whether the session still lives (0: never): one question, however
 * many components use the hook.
 * @param {Client} client @param {{watchSeconds?: number}} [options] @returns {State}
 */
export function useSession(client: Client, { watchSeconds }?: {
    watchSeconds?: number;
}): State;
export type Client = import("./client.js").Client;
export type State = import("./client.js").State;
