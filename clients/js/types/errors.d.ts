/** RFC 9110 §10.2.3: seconds or a date. @param {Response} answer @returns {number} */
export function retryAfterSeconds(answer: Response): number;
/**
 * Whether a fresh access token may help: any 401 but one that asks for a proof, and the 403 that says so.
 * @param {Response} answer
 */
export function wantsFreshToken(answer: Response): Promise<boolean>;
/** Whether the CSRF token was refused: the page and the cookies are of two sessions. @param {Response} answer */
export function saysOtherSession(answer: Response): Promise<boolean>;
/**
 * The JSON object of a success, known by a member that it always has.
 * @template T @param {Response} answer @param {string} [member] @returns {Promise<T>}
 * @throws {WrongBase} where a success of another program came
 */
export function readBody<T>(answer: Response, member?: string): Promise<T>;
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
    /** Reads a problem without using up the answer. @param {Response} answer */
    static of(answer: Response): Promise<Problem>;
    /** @param {Response} answer @param {any} body */
    constructor(answer: Response, body: any);
    status: number;
    /** @type {string} */
    code: string;
    /** @type {{field: string, reason: string}[]} */
    errors: {
        field: string;
        reason: string;
    }[];
    /** @type {string[]} */
    methods: string[];
    pending: string;
    retryAfter: number;
}
/** The cookies are of another user than this page was: the request was not sent again, for it was not that user's. */
export class IdentityChanged extends Error {
    /** @param {IdentityChange} change */
    constructor({ before, now }: IdentityChange);
    before: import("../types/bodies.js").User;
    now: import("../types/bodies.js").User;
}
/**
 * The server gave the refresh cookie a Path that does not cover the auth routes as this page sees them (attack N10): a
 * proxy strips or adds a path and the server does not know it. The session could not be refreshed, so it was ended.
 */
export class WrongRefreshPath extends Error {
    /** @param {string} base @param {string} path */
    constructor(base: string, path: string);
    base: string;
    path: string;
}
/** The login succeeded, but the browser does not send the cookies back to the other origin. */
export class CookiesBlocked extends Error {
    /** @param {string} base */
    constructor(base: string);
    base: string;
}
/** Something answered at `base`, but not the auth service: a page of an application, an error page of a proxy. */
export class WrongBase extends Error {
    /** @param {string} url */
    constructor(url: string);
    url: string;
}
export function saysNotNow(answer: Response): boolean;
export type User = import("../types/bodies.js").User;
/**
 * whose this page was, and whose the cookies are now
 */
export type IdentityChange = {
    before: User;
    now: User;
};
