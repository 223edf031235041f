// @ts-check
/**
 * Passkeys (WebAuthn Level 3) over a client's session: log in by one, offer them where a username is typed, add, list,
 * rename, remove.
 *
 * The browser and the authenticator do the cryptography; this carries JSON between them and the auth routes. A browser
 * has one question open at a time: an offer in a field waits in the background, so it is withdrawn before a dialog opens
 * and made again after it, also where the dialog was cancelled.
 */

import { Problem, readBody } from "./errors.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("../types/bodies.js").User} User */
/** @typedef {import("../types/bodies.js").OnePasskey} OnePasskey */
/** @typedef {import("../types/bodies.js").ManyPasskeys} ManyPasskeys */
/**
 * Of the browser's class, what TypeScript 5.9 does not know yet.
 * @typedef {{
 *   parseCreationOptionsFromJSON(options: object): PublicKeyCredentialCreationOptions,
 *   parseRequestOptionsFromJSON(options: object): PublicKeyCredentialRequestOptions,
 *   isConditionalMediationAvailable?(): Promise<boolean>,
 *   getClientCapabilities?(): Promise<Record<string, boolean>>,
 *   signalAllAcceptedCredentials?(accepted: object): Promise<void>,
 * }} Browser
 */

const UPGRADE_WITHIN_MS = 60_000; // a browser that can but does not must not keep dialogs waiting
const OFFER_FOR_MS = 240_000; // a challenge counts for five minutes

/** @returns {Browser | null} */
const browser = () => {
  const found = /** @type {any} */ (globalThis).PublicKeyCredential;
  return typeof found?.parseCreationOptionsFromJSON === "function" ? found : null;
};

/** The passkeys of the user of a client. */
export class Passkeys {
  /** @type {Client} */
  #client;
  /** @type {AbortController | null} withdraws the offer in a field */
  #offer = null;
  /** @type {Promise<unknown>} the dialog that is open, if one is */
  #dialog = Promise.resolve();

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Whether this browser has passkeys, and tells pages of them as JSON. */
  get isSupported() {
    return browser() !== null;
  }

  /**
   * Logs in by a dialog of the browser; with `pending`, takes the step that a `Problem` with `pending` asks for.
   * @param {{pending?: string}} [fields] @returns {Promise<User>}
   * @throws {Problem | DOMException | TypeError} a `NotAllowedError` when the user has cancelled
   */
  async login({ pending } = {}) {
    const options = await this.#loginOptions(pending);
    const credential = await this.#open(() => navigator.credentials.get({ publicKey: options }));
    return this.#client.loginBy("passkey", { credential: JSON.stringify(credential) }, pending);
  }

  /**
   * Offers passkeys in the field with `autocomplete="username webauthn"`, until one was chosen and has logged in.
   * @param {{signal?: AbortSignal}} [fields] withdraws the offer
   * @returns {Promise<User | null>} null when it was withdrawn, or the browser offers none
   * @throws {Problem | TypeError} the passkey that was chosen is not good here
   */
  async autofill({ signal } = {}) {
    if (!(await browser()?.isConditionalMediationAvailable?.())) return null;
    while (!signal?.aborted) {
      await this.#dialog;
      const withdrawn = new AbortController();
      this.#offer = withdrawn;
      const ends = [withdrawn.signal, AbortSignal.timeout(OFFER_FOR_MS), ...(signal ? [signal] : [])];
      const ended = AbortSignal.any(ends);
      const publicKey = await this.#loginOptions(undefined);
      try {
        const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: ended });
        return await this.#client.loginBy("passkey", { credential: JSON.stringify(credential) });
      } catch (error) {
        if (!ended.aborted) throw error;
      } finally {
        if (this.#offer === withdrawn) this.#offer = null;
      }
    }
    return null;
  }

  /**
   * Adds a passkey to the account of the session, by a dialog of the browser. Access tokens from before are outdated.
   * @param {{label?: string}} [fields] what its owner calls it @returns {Promise<OnePasskey>}
   * @throws {Problem | DOMException | TypeError} an `InvalidStateError` when this authenticator has one already
   */
  async register({ label = "" } = {}) {
    const publicKey = await this.#creationOptions(false);
    const credential = await this.#open(() => navigator.credentials.create({ publicKey }));
    return this.#keep(credential, label);
  }

  /**
   * Right after a login by a password that the browser has filled in: has it make a passkey without a question, if it
   * can and its user lets it.
   * @returns {Promise<OnePasskey | null>} null when none was made: no reason to say anything
   * @throws {Problem | TypeError}
   */
  async upgrade() {
    const capabilities = await browser()?.getClientCapabilities?.();
    if (!capabilities?.["conditionalCreate"]) return null;
    const publicKey = await this.#creationOptions(true);
    /** @type {any} */
    const silently = { publicKey, mediation: "conditional", signal: AbortSignal.timeout(UPGRADE_WITHIN_MS) };
    try {
      return await this.#keep(await this.#open(() => navigator.credentials.create(silently)), "");
    } catch (error) {
      if (error instanceof DOMException) return null;
      throw error;
    }
  }

  /**
   * The passkeys of the account. Tells the browser which these are, so that it offers no removed one.
   * @returns {Promise<OnePasskey[]>} @throws {Problem | TypeError}
   */
  async list() {
    /** @type {ManyPasskeys} */
    const { passkeys, rp_id, user_id } = await readBody(await this.#ask("GET", ""), "passkeys");
    const accepted = { rpId: rp_id, userId: user_id, allAcceptedCredentialIds: passkeys.map(({ id }) => id) };
    // a courtesy: a page of another domain may not, and an authenticator need not listen
    await browser()?.signalAllAcceptedCredentials?.(accepted).catch(() => {});
    return passkeys;
  }

  /** @param {string} id @param {string} label @returns {Promise<OnePasskey>} @throws {Problem | TypeError} */
  async rename(id, label) {
    return readBody(await this.#ask("PATCH", `/${encodeURIComponent(id)}`, { label }), "id");
  }

  /** Removes a passkey here and, where the browser can, from the authenticator. @param {string} id @throws {Problem} */
  async remove(id) {
    await this.#ask("DELETE", `/${encodeURIComponent(id)}`);
    await this.list();
  }

  /** @param {string | undefined} pending */
  async #loginOptions(pending) {
    const { options } = await this.#client.beginLogin("passkey", pending === undefined ? {} : { pending });
    return this.#need().parseRequestOptionsFromJSON(JSON.parse(options));
  }

  /** @param {boolean} conditional */
  async #creationOptions(conditional) {
    const browserSide = this.#need();
    const { options } = await readBody(await this.#ask("POST", "/register/start", { conditional }), "options");
    return browserSide.parseCreationOptionsFromJSON(options);
  }

  /** @param {Credential | null} credential @param {string} label @returns {Promise<OnePasskey>} */
  async #keep(credential, label) {
    return readBody(await this.#ask("POST", "/register/finish", { credential, label }), "id");
  }

  /** Opens a dialog; an offer in a field is withdrawn first. @template T @param {() => Promise<T>} show */
  async #open(show) {
    const before = this.#dialog;
    const { promise: closed, resolve } = withResolver();
    this.#dialog = closed;
    this.#offer?.abort();
    try {
      await before;
      return await show();
    } finally {
      resolve();
    }
  }

  #need() {
    const found = browser();
    if (found === null) throw new TypeError("this browser has no passkeys, or none on a page of this address");
    return found;
  }

  /** @param {string} method @param {string} route @param {object} [body] */
  async #ask(method, route, body) {
    /** @type {RequestInit} */
    const init = { method, cache: "no-store", redirect: "error" };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    const answer = await this.#client.fetch(`${this.#client.base}/passkeys${route}`, init);
    if (!answer.ok) throw await Problem.of(answer);
    return answer;
  }
}

/** `Promise.withResolvers`, which browsers have since 2024. @returns {{promise: Promise<void>, resolve: () => void}} */
function withResolver() {
  let resolve = () => {};
  const promise = /** @type {Promise<void>} */ (new Promise((settle) => (resolve = settle)));
  return { promise, resolve: () => resolve() };
}
