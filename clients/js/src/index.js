// @ts-check
/**
 * The browser client of Sealring's auth routes. Importing it touches nothing of the browser: it can be imported where
 * pages are rendered on a server.
 */

/** @typedef {import("./client.js").Credentials} Credentials */
/** @typedef {import("./client.js").Options} Options */
/** @typedef {import("./client.js").Outcome} Outcome */
/** @typedef {import("./client.js").State} State */
/** @typedef {import("./client.js").Trouble} Trouble */
/** @typedef {import("./errors.js").IdentityChange} IdentityChange */
/** @typedef {import("../types/bodies.js").User} User */
/** @typedef {import("../types/bodies.js").OnePasskey} OnePasskey */

export { Client } from "./client.js";
export { Passkeys } from "./passkey.js";
export { CookiesBlocked, IdentityChanged, Problem, WrongBase, WrongRefreshPath } from "./errors.js";
