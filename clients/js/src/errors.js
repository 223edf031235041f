// @ts-check
/**
 * What a call may reject with beside the browser's own `TypeError` of a dead network, and how an answer is read.
 *
 * No error holds a token, a password or a cookie.
 */

/** @typedef {import("../types/bodies.js").User} User */
/** @typedef {{before: User, now: User}} IdentityChange whose this page was, and whose the cookies are now */

/**
 * An answer that refuses: the members of RFC 9457, and `retryAfter` in seconds (0 when the server names none). With the
 * code "second_factor_required" the login goes on by one of `methods`, with `pending`.
 */
export class Problem extends Error {
  /** @param {Response} answer @param {any} body */
  constructor(answer, body) {
    super(String(body?.detail ?? body?.title ?? `the server answered ${answer.status}`));
    this.name = "Problem";
    this.status = answer.status;
    /** @type {string} */
    this.code = String(body?.code ?? "");
    /** @type {{field: string, reason: string}[]} */
    this.errors = Array.isArray(body?.errors) ? body.errors : [];
    /** @type {string[]} */
    this.methods = Array.isArray(body?.methods) ? body.methods : [];
    this.pending = String(body?.pending ?? "");
    this.retryAfter = retryAfterSeconds(answer);
  }

  /** Reads a problem without using up the answer. @param {Response} answer */
  static async of(answer) {
    return new Problem(answer, await answer.clone().json().catch(() => null));
  }
}

/** The cookies are of another user than this page was: the request was not sent again, for it was not that user's. */
export class IdentityChanged extends Error {
  /** @param {IdentityChange} change */
  constructor({ before, now }) {
    super("another user has signed in with this browser");
    this.name = "IdentityChanged";
    this.before = before;
    this.now = now;
  }
}

/**
 * The server gave the refresh cookie a Path that does not cover the auth routes as this page sees them (attack N10): a
 * proxy strips or adds a path and the server does not know it. The session could not be refreshed, so it was ended.
 */
export class WrongRefreshPath extends Error {
  /** @param {string} base @param {string} path */
  constructor(base, path) {
    super(
      `this page finds the auth routes at ${base}, but the refresh cookie is sent to ${path} only: ` +
        "set root_path of the server to the path that the proxy strips",
    );
    this.name = "WrongRefreshPath";
    this.base = base;
    this.path = path;
  }
}

/** The login succeeded, but the browser does not send the cookies back to the other origin. */
export class CookiesBlocked extends Error {
  /** @param {string} base */
  constructor(base) {
    super(`the browser sends no cookies from this page to ${base}: allow them, or use delivery "body"`);
    this.name = "CookiesBlocked";
    this.base = base;
  }
}

/** Something answered at `base`, but not the auth service: a page of an application, an error page of a proxy. */
export class WrongBase extends Error {
  /** @param {string} url */
  constructor(url) {
    super(`${url} was not answered by the auth service: set base to the URL or path of the auth routes`);
    this.name = "WrongBase";
    this.url = url;
  }
}

/** RFC 9110 §10.2.3: seconds or a date. @param {Response} answer @returns {number} */
export function retryAfterSeconds(answer) {
  const text = answer.headers.get("Retry-After");
  if (text === null) return 0;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : 0;
}

/** What a fresh access token would not change: a proof is wrong, or one more, or one more recent, is wanted. */
const PROOF_CODES = new Set([
  "invalid_credentials",
  "second_factor_required",
  "login_expired",
  "insufficient_user_authentication",
]);

/**
 * Whether a fresh access token may help: any 401 but one that asks for a proof, and the 403 that says so.
 * @param {Response} answer
 */
export async function wantsFreshToken(answer) {
  if (answer.status !== 401 && answer.status !== 403) return false;
  const { code } = await Problem.of(answer);
  return answer.status === 401 ? !PROOF_CODES.has(code) : code === "invalid_token";
}

/** Whether the CSRF token was refused: the page and the cookies are of two sessions. @param {Response} answer */
export async function saysOtherSession(answer) {
  return answer.status === 403 && (await Problem.of(answer)).code === "csrf";
}

/** @param {Response} answer */
export const saysNotNow = (answer) => answer.status === 429 || answer.status >= 500;

/**
 * The JSON object of a success, known by a member that it always has.
 * @template T @param {Response} answer @param {string} [member] @returns {Promise<T>}
 * @throws {WrongBase} where a success of another program came
 */
export async function readBody(answer, member = "expires_in") {
  const body = await answer.json().catch(() => null);
  if (body?.[member] === undefined) throw new WrongBase(answer.url);
  return body;
}
