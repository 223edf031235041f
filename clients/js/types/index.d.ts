export { Client } from "./client.js";
export type Credentials = import("./client.js").Credentials;
export type Options = import("./client.js").Options;
export type Outcome = import("./client.js").Outcome;
export type State = import("./client.js").State;
export type Trouble = import("./client.js").Trouble;
export type IdentityChange = import("./errors.js").IdentityChange;
export type User = import("../types/bodies.js").User;
export { CookiesBlocked, IdentityChanged, Problem, WrongBase, WrongRefreshPath } from "./errors.js";
