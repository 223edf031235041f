/** What is known before anything was asked, and all that a server that renders pages ever knows. @type {State} */
export const UNKNOWN: State;
/** One tab's view of the session whose auth routes are under `base`. Does nothing before its first use. */
export class Client {
    /** @param {Options} options @throws {TypeError} */
    constructor(options: Options);
    /** The path or URL of the auth routes, as it was given. */
    base: string;
    get state(): State;
    /**
     * Calls `listener` with the state now and after each change.
     * @param {(state: State) => void} listener
     * @returns {() => void} stops the calls
     */
    onChange(listener: (state: State) => void): () => void;
    /**
     * Calls `listener` whenever the cookies turn out to be another user's than this page was, before the new state is
     * published: what the page shows is the earlier user's. Not called for a login or logout, here or told by another tab.
     * @param {(change: IdentityChange) => void} listener
     * @returns {() => void} stops the calls
     */
    onIdentityChange(listener: (change: IdentityChange) => void): () => void;
    /**
     * @param {Credentials & {email?: string}} fields @returns {Promise<User>}
     * @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
     */
    register(fields: Credentials & {
        email?: string;
    }): Promise<User>;
    /**
     * @param {Credentials} credentials @returns {Promise<User>}
     * @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
     */
    login(credentials: Credentials): Promise<User>;
    /**
     * Takes one step of a login by a method, the first or the one that a `Problem` with `pending` asks for.
     * @param {string} method @param {Record<string, unknown>} response what the method reads @param {string} [pending]
     * @returns {Promise<User>} @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
     */
    loginBy(method: string, response: Record<string, unknown>, pending?: string): Promise<User>;
    /**
     * Begins a method that needs something of the server first, such as a code that is sent.
     * @param {string} method @param {{response?: Record<string, unknown>, pending?: string}} [fields] whose account it is
     * @returns {Promise<Record<string, any>>} the challenge @throws {Problem | TypeError}
     */
    beginLogin(method: string, fields?: {
        response?: Record<string, unknown>;
        pending?: string;
    }): Promise<Record<string, any>>;
    /** Ends the session everywhere. Rejects when the request did not reach the server: then nobody is signed out. */
    logout(): Promise<void>;
    /**
     * Replaces the password; all other sessions of the user end, and this one goes on with new tokens.
     * @param {PasswordChangeRequest} fields @throws {Problem | IdentityChanged | TypeError}
     */
    changePassword(fields: PasswordChangeRequest): Promise<void>;
    /**
     * As the window's `fetch`, with the session: sends the CSRF token or the access token, and when the access token is
     * refused refreshes once and asks once more. Origins beside those of `base` and `origins` get neither. When no refresh
     * is possible at the moment, the answer is the server's 429 or 5xx with its Retry-After, not the 401 that would read
     * as "logged out". A refused CSRF token is never left out: the request goes again only with the token of a newer
     * session of the same user.
     * @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>} @throws {IdentityChanged}
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Renews the access token; callers at the same time share one request. @returns {Promise<Outcome>} */
    refresh(): Promise<Outcome>;
    /**
     * Asks every few seconds, while the page can be seen and somebody is signed in, whether the session still lives. The
     * server answers from memory. A session that was ended elsewhere is noticed within that time, and so is another
     * user's login past this client (`onIdentityChange`). However many watch, one question at a time is asked, as often as
     * the shortest of them wants.
     * @param {number} [seconds] @returns {() => void} stops it
     */
    watch(seconds?: number): () => void;
    /** Asks the server who is signed in; an access token that has run out is refreshed first. */
    check(): Promise<void>;
    #private;
}
export type User = import("../types/bodies.js").User;
export type Tokens = import("../types/bodies.js").Tokens;
export type Me = import("../types/bodies.js").Me;
export type LoginBegun = import("../types/bodies.js").LoginBegun;
export type PasswordChangeRequest = import("../types/bodies.js").PasswordChangeRequest;
export type IdentityChange = import("./errors.js").IdentityChange;
/**
 * Why the service does not answer just now; `retryAt` (Unix milliseconds) is when it will be asked again.
 * "cookies": the browser sends so many cookies that no server reads them; somebody has to delete them.
 */
export type Trouble = {
    readonly kind: "offline" | "unavailable" | "cookies";
    readonly retryAt: number;
};
/**
 * What the client knows. `expiresAt` (Unix milliseconds by this machine's clock) is the access token's end.
 */
export type State = {
    readonly status: "unknown" | "signed-in" | "signed-out";
    readonly user: User | null;
    readonly expiresAt: number | null;
    readonly trouble: Trouble | null;
};
export type Credentials = {
    username: string;
    password: string;
};
/**
 * a Response is one that says "not now" (429, 5xx)
 */
export type Outcome = "renewed" | "signed-out" | Response;
/**
 * `base`: the path or URL of the auth routes. `delivery`: "cookie" where the auth service is on the page's own site,
 * "body" on another: then the tokens live in this tab's memory and a reload is a new login. `origins`: those that get
 * the session beside the one of `base`, such as an API on another port.
 */
export type Options = {
    base: string | URL;
    delivery?: "cookie" | "body";
    origins?: readonly string[];
};
/**
 * What one tab tells the others; never a token.
 */
export type News = {
    kind: "login" | "logout" | "refreshed";
    expiresAt?: number | null;
};
