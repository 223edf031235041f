/** @type {Client["register"]} */
export const register: Client["register"];
/** @type {Client["login"]} */
export const login: Client["login"];
/** @type {Client["loginBy"]} */
export const loginBy: Client["loginBy"];
/** @type {Client["beginLogin"]} */
export const beginLogin: Client["beginLogin"];
/** @type {Client["changePassword"]} */
export const changePassword: Client["changePassword"];
/** @type {Client["logout"]} */
export const logout: Client["logout"];
/** @type {Client["fetch"]} */
export const fetch: Client["fetch"];
/** @type {Client["refresh"]} */
export const refresh: Client["refresh"];
/** @type {Client["check"]} */
export const check: Client["check"];
/** @type {Client["watch"]} */
export const watch: Client["watch"];
/** @type {Client["onChange"]} */
export const onChange: Client["onChange"];
/** @type {Client["onIdentityChange"]} */
export const onIdentityChange: Client["onIdentityChange"];
/** @type {Pick<Passkeys, keyof Passkeys>} */
export const passkeys: Pick<Passkeys, keyof Passkeys>;
import { Client } from "./client.js";
import { Passkeys } from "./passkey.js";
