// @ts-check
/**
 * The end of `/auth/client.js`: one client for pages without a bundler. Its base is where the script was served from.
 *
 * In a bundle the script's address is the bundle's, and a path made from it would be a guess. So another file name than
 * ours is refused, and a password is posted only after the auth service has answered at that base.
 */

import { Client } from "./client.js";
import { WrongBase } from "./errors.js";
import { Passkeys } from "./passkey.js";

const NAME = "/client.js";
const KEY_SET = "application/jwk-set+json";

/** @type {Client | undefined} */
let made;
/** @type {Promise<void> | undefined} */
let confirming;

/** @returns {Client} @throws {WrongBase} */
function served() {
  if (made === undefined) {
    const { origin, pathname } = new URL(import.meta.url);
    if (!pathname.endsWith(NAME)) throw new WrongBase(import.meta.url);
    made = new Client({ base: origin + pathname.slice(0, -NAME.length) });
  }
  return made;
}

async function confirm() {
  const answer = await globalThis.fetch(`${served().base}/.well-known/jwks.json`, { redirect: "error" });
  if (answer.headers.get("Content-Type") !== KEY_SET) throw new WrongBase(answer.url);
}

/** The client, once the auth service has answered at its base. */
async function confirmed() {
  confirming ??= confirm();
  await confirming.catch((error) => {
    confirming = undefined;
    throw error;
  });
  return served();
}

/** @type {Client["register"]} */
export const register = async (fields) => (await confirmed()).register(fields);
/** @type {Client["login"]} */
export const login = async (credentials) => (await confirmed()).login(credentials);
/** @type {Client["loginBy"]} */
export const loginBy = async (method, response, pending) => (await confirmed()).loginBy(method, response, pending);
/** @type {Client["beginLogin"]} */
export const beginLogin = async (method, fields) => (await confirmed()).beginLogin(method, fields);
/** @type {Client["changePassword"]} */
export const changePassword = async (fields) => (await confirmed()).changePassword(fields);
/** @type {Client["logout"]} */
export const logout = async () => served().logout();
/** @type {Client["fetch"]} */
export const fetch = async (input, init) => served().fetch(input, init);
/** @type {Client["refresh"]} */
export const refresh = async () => served().refresh();
/** @type {Client["check"]} */
export const check = async () => served().check();
/** @type {Client["watch"]} */
export const watch = (seconds) => served().watch(seconds);
/** @type {Client["onChange"]} */
export const onChange = (listener) => served().onChange(listener);
/** @type {Client["onIdentityChange"]} */
export const onIdentityChange = (listener) => served().onIdentityChange(listener);

/** @type {Passkeys | undefined} */
let ownPasskeys;
const confirmedPasskeys = async () => (ownPasskeys ??= new Passkeys(await confirmed()));

/** @type {Pick<Passkeys, keyof Passkeys>} */
export const passkeys = {
  get isSupported() {
    return new Passkeys(served()).isSupported;
  },
  login: async (fields) => (await confirmedPasskeys()).login(fields),
  autofill: async (fields) => (await confirmedPasskeys()).autofill(fields),
  register: async (fields) => (await confirmedPasskeys()).register(fields),
  upgrade: async () => (await confirmedPasskeys()).upgrade(),
  list: async () => (await confirmedPasskeys()).list(),
  rename: async (id, label) => (await confirmedPasskeys()).rename(id, label),
  remove: async (id) => (await confirmedPasskeys()).remove(id),
};
