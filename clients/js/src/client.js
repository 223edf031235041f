// @ts-check
/**
 * The browser's half of a session: who is signed in, and until when (design D10).
 *
 * With cookies no token ever reaches a script. What this does know (user, CSRF token, expiry) stays in memory and comes
 * back from `GET /me` after a reload. One refresh at a time runs in a tab, and tabs tell each other over
 * BroadcastChannel; neither is needed for correctness, because the server hands concurrent tabs one and the same
 * successor (design D5), so there are no Web Locks. Only a server that refuses both the refresh and the access token
 * signs anybody out: 409, 429, 5xx, a slow answer and a dead network never do.
 *
 * A page that has a CSRF token never asks without it: the token says which session the page is of, and the cookies may
 * have become another's (attack N3). Where the server refuses it, `GET /me` says whose they are, and a page that was
 * somebody else's says so (`onIdentityChange`) and sends nothing again in the new name (`IdentityChanged`).
 */

import { BodyCredentials, CookieCredentials } from "./credentials.js";
import {
  CookiesBlocked,
  IdentityChanged,
  Problem,
  readBody,
  retryAfterSeconds,
  saysNotNow,
  saysOtherSession,
  wantsFreshToken,
  WrongBase,
  WrongRefreshPath,
} from "./errors.js";
import { followPage, isHidden, readBase, readOrigin } from "./page.js";

/** @typedef {import("../types/bodies.js").User} User */
/** @typedef {import("../types/bodies.js").Tokens} Tokens */
/** @typedef {import("../types/bodies.js").Me} Me */
/** @typedef {import("../types/bodies.js").LoginBegun} LoginBegun */
/** @typedef {import("../types/bodies.js").PasswordChangeRequest} PasswordChangeRequest */
/** @typedef {import("./errors.js").IdentityChange} IdentityChange */
/**
 * Why the service does not answer just now; `retryAt` (Unix milliseconds) is when it will be asked again.
 * "cookies": the browser sends so many cookies that no server reads them; somebody has to delete them.
 * @typedef {{readonly kind: "offline" | "unavailable" | "cookies", readonly retryAt: number}} Trouble
 */
/**
 * What the client knows. `expiresAt` (Unix milliseconds by this machine's clock) is the access token's end.
 * @typedef {{
 *   readonly status: "unknown" | "signed-in" | "signed-out",
 *   readonly user: User | null,
 *   readonly expiresAt: number | null,
 *   readonly trouble: Trouble | null,
 * }} State
 */
/** @typedef {{username: string, password: string}} Credentials */
/** @typedef {"renewed" | "signed-out" | Response} Outcome a Response is one that says "not now" (429, 5xx) */
/**
 * `base`: the path or URL of the auth routes. `delivery`: "cookie" where the auth service is on the page's own site,
 * "body" on another: then the tokens live in this tab's memory and a reload is a new login. `origins`: those that get
 * the session beside the one of `base`, such as an API on another port.
 * @typedef {{base: string | URL, delivery?: "cookie" | "body", origins?: readonly string[]}} Options
 */

const ANSWER_WITHIN_MS = 10_000;
const REFRESH_WITHIN_MS = 4_000; // under half the server's retry window: a retry then always finds the same answer
const LONGEST_SLEEP_MS = 3_600_000; // a timer counts in 32 bits; waking once an hour costs nothing
const COOKIES_PAUSE_SECONDS = 30;
const ROUNDS = 3; // a refresh that lost its race asks again with the cookie that won

/** What is known before anything was asked, and all that a server that renders pages ever knows. @type {State} */
export const UNKNOWN = Object.freeze({ status: "unknown", user: null, expiresAt: null, trouble: null });

/** RFC 6265 §5.1.4. @param {string} path of a request @param {string} cookiePath @returns {boolean} */
const pathMatches = (path, cookiePath) =>
  path === cookiePath || path.startsWith(cookiePath.endsWith("/") ? cookiePath : `${cookiePath}/`);

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What nobody waits for fails silently, but for a mistake of the developer. @param {unknown} error */
const report = (error) => void (error instanceof WrongBase && console.error(error.message));

/** One tab's view of the session whose auth routes are under `base`. Does nothing before its first use. */
export class Client {
  /** @type {State} */
  #state = UNKNOWN;
  /** @type {Set<(state: State) => void>} */
  #listeners = new Set();
  /** @type {Set<(change: IdentityChange) => void>} */
  #identityListeners = new Set();
  /** @type {Set<{seconds: number}>} */
  #watchers = new Set();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watching = undefined;
  /** @type {User | null} whose this page is, until somebody signs in or out in it */
  #owner = null;
  /** @type {CookieCredentials | BodyCredentials} */
  #credentials;
  /** @type {ReadonlySet<string>} */
  #origins;
  /** @type {Promise<Outcome> | null} */
  #refreshing = null;
  #isStarted = false;
  #isAsked = false; // who is signed in
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** @type {Response | null} what the server last said instead of a refresh */
  #refusal = null;
  #refreshNotBefore = 0;
  #refreshDue = Infinity;
  #refreshes = 0; // how often the session was renewed, here or in another tab
  #failures = 0;
  #turn = 0; // rises with each login and logout: an answer to a request of an earlier turn is ignored

  /** @param {Options} options @throws {TypeError} */
  constructor(options) {
    const { base, delivery = "cookie", origins = [] } = options ?? {};
    if (delivery !== "cookie" && delivery !== "body") throw new TypeError('delivery: want "cookie" or "body"');
    /** The path or URL of the auth routes, as it was given. */
    this.base = readBase(base);
    this.#origins = new Set(origins.map(readOrigin));
    this.#credentials = delivery === "body" ? new BodyCredentials() : new CookieCredentials();
  }

  get state() {
    return this.#state;
  }

  /**
   * Calls `listener` with the state now and after each change.
   * @param {(state: State) => void} listener
   * @returns {() => void} stops the calls
   */
  onChange(listener) {
    this.#start();
    this.#listeners.add(listener);
    listener(this.#state);
    if (this.#state.status === "unknown" && !this.#isAsked) this.#checkSoon();
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Calls `listener` whenever the cookies turn out to be another user's than this page was, before the new state is
   * published: what the page shows is the earlier user's. Not called for a login or logout, here or told by another tab.
   * @param {(change: IdentityChange) => void} listener
   * @returns {() => void} stops the calls
   */
  onIdentityChange(listener) {
    this.#identityListeners.add(listener);
    return () => void this.#identityListeners.delete(listener);
  }

  /**
   * @param {Credentials & {email?: string}} fields @returns {Promise<User>}
   * @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
   */
  register(fields) {
    return this.#enter("register", fields);
  }

  /**
   * @param {Credentials} credentials @returns {Promise<User>}
   * @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
   */
  login(credentials) {
    return this.#enter("login", credentials);
  }

  /**
   * Takes one step of a login by a method, the first or the one that a `Problem` with `pending` asks for.
   * @param {string} method @param {Record<string, unknown>} response what the method reads @param {string} [pending]
   * @returns {Promise<User>} @throws {Problem | WrongRefreshPath | CookiesBlocked | TypeError}
   */
  loginBy(method, response, pending) {
    return this.#enter(`login/${encodeURIComponent(method)}`, pending === undefined ? { response } : { response, pending });
  }

  /**
   * Begins a method that needs something of the server first, such as a code that is sent.
   * @param {string} method @param {{response?: Record<string, unknown>, pending?: string}} [fields] whose account it is
   * @returns {Promise<Record<string, any>>} the challenge @throws {Problem | TypeError}
   */
  async beginLogin(method, fields = {}) {
    this.#start();
    const answer = await this.#ask("POST", `login/${encodeURIComponent(method)}/begin`, this.#loginBody(fields));
    if (!answer.ok) throw await Problem.of(answer);
    /** @type {LoginBegun} */
    const { challenge } = await readBody(answer, "challenge");
    return challenge;
  }

  /** Ends the session everywhere. Rejects when the request did not reach the server: then nobody is signed out. */
  async logout() {
    this.#start();
    await this.#refreshing?.catch(() => {}); // else its late answer would bring the session back
    if (this.#credentials.isEmpty) return this.#leave();
    const answer = await this.fetch(this.#url("logout"), { method: "POST" });
    if (await saysOtherSession(answer)) {
      await this.check(); // the session of this page may be gone from this browser: then nobody is signed in here
      if (this.#state.status !== "signed-out") throw await Problem.of(answer);
      return;
    }
    if (!answer.ok && answer.status !== 401) throw await Problem.of(answer);
    this.#leave();
    this.#tell({ kind: "logout" });
  }

  /**
   * Replaces the password; all other sessions of the user end, and this one goes on with new tokens.
   * @param {PasswordChangeRequest} fields @throws {Problem | IdentityChanged | TypeError}
   */
  async changePassword(fields) {
    this.#start();
    await this.#refreshing?.catch(() => {}); // its answer would be of tokens from before the change
    const turn = this.#turn;
    const headers = { "Content-Type": "application/json" };
    const answer = await this.fetch(this.#url("password"), { method: "POST", headers, body: JSON.stringify(fields) });
    if (!answer.ok) throw await Problem.of(answer);
    /** @type {Tokens} */
    const tokens = await readBody(answer);
    if (turn === this.#turn) this.#adopt(tokens);
    this.#tell({ kind: "refreshed", expiresAt: this.#state.expiresAt });
  }

  /**
   * As the window's `fetch`, with the session: sends the CSRF token or the access token, and when the access token is
   * refused refreshes once and asks once more. Origins beside those of `base` and `origins` get neither. When no refresh
   * is possible at the moment, the answer is the server's 429 or 5xx with its Retry-After, not the 401 that would read
   * as "logged out". A refused CSRF token is never left out: the request goes again only with the token of a newer
   * session of the same user.
   * @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>} @throws {IdentityChanged}
   */
  async fetch(input, init) {
    this.#start();
    const request = new Request(input, init);
    if (!this.#isOurs(request)) return globalThis.fetch(request);
    return this.#fetch(request);
  }

  /** @param {Request} request of an origin that gets the session @param {boolean} [isLook] */
  async #fetch(request, isLook = false) {
    const [before, owner, proof] = [this.#refreshes, this.#owner, this.#credentials.proof];
    const answer = await this.#send(request.clone(), isLook);
    if (this.#state.status === "signed-out") return answer;
    const isOtherSession = proof !== null && (await saysOtherSession(answer));
    if (!isOtherSession && !(await wantsFreshToken(answer))) return answer;
    // Several requests may be refused together: a late one finds the refresh already done.
    const isDone = this.#refreshes !== before;
    const outcome = isDone ? "renewed" : await (isOtherSession ? this.#load() : this.refresh());
    if (owner !== null && this.#owner !== null && this.#owner.id !== owner.id) {
      throw new IdentityChanged({ before: owner, now: this.#owner });
    }
    if (isOtherSession && this.#credentials.proof === proof) return answer;
    if (outcome instanceof Response) return outcome;
    return outcome === "signed-out" ? answer : this.#send(request, isLook);
  }

  /** Renews the access token; callers at the same time share one request. @returns {Promise<Outcome>} */
  refresh() {
    this.#start();
    this.#refreshing ??= this.#refresh()
      .catch((error) => {
        this.#refreshNotBefore = Math.max(this.#state.trouble?.retryAt ?? 0, Date.now() + 1000);
        throw error;
      })
      .finally(() => {
        this.#refreshing = null;
        this.#schedule();
      });
    return this.#refreshing;
  }

  /**
   * Asks every few seconds, while the page can be seen and somebody is signed in, whether the session still lives. The
   * server answers from memory. A session that was ended elsewhere is noticed within that time, and so is another
   * user's login past this client (`onIdentityChange`). However many watch, one question at a time is asked, as often as
   * the shortest of them wants.
   * @param {number} [seconds] @returns {() => void} stops it
   */
  watch(seconds = 3) {
    if (!(seconds > 0)) throw new TypeError("seconds: want a number above 0");
    this.#start();
    const watcher = { seconds };
    this.#watchers.add(watcher);
    this.#rewatch();
    return () => {
      if (this.#watchers.delete(watcher)) this.#rewatch();
    };
  }

  #rewatch() {
    clearInterval(this.#watching);
    this.#watching = undefined;
    if (this.#watchers.size === 0) return;
    const seconds = Math.min(...[...this.#watchers].map((watcher) => watcher.seconds));
    this.#watching = setInterval(() => this.#look(), 1000 * seconds);
  }

  #look() {
    const { status, trouble } = this.#state;
    if (isHidden() || status !== "signed-in" || trouble !== null || this.#refreshing !== null) return;
    const request = new Request(this.#url("live"), { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    void this.#fetch(request, true).catch(() => {});
  }

  /** Asks the server who is signed in; an access token that has run out is refreshed first. */
  async check() {
    this.#start();
    this.#isAsked = true;
    const outcome = await this.#load();
    if (outcome === "signed-out") await this.refresh();
  }

  #checkSoon() {
    void this.check().catch(report);
  }

  /** @returns {Promise<Outcome>} */
  async #refresh() {
    if (this.#credentials.isEmpty) {
      this.#leave();
      return "signed-out";
    }
    if (this.#refusal !== null && Date.now() < this.#refreshNotBefore) return this.#refusal.clone();
    const early = this.#state.expiresAt !== null && Date.now() < this.#state.expiresAt;
    for (let round = 0; round < ROUNDS; round += 1) {
      const turn = this.#turn;
      const answer = await this.#ask("POST", "refresh", this.#credentials.refreshBody);
      if (turn !== this.#turn) return this.#load();
      if (answer.ok) {
        /** @type {Tokens} */
        const tokens = await readBody(answer);
        this.#adopt(tokens);
        this.#tell({ kind: "refreshed", expiresAt: this.#state.expiresAt });
        // A token refused before its time had old claims: read the new ones, too.
        return this.#state.user === null || early ? this.#load() : "renewed";
      }
      if (answer.status === 409) {
        await pause(100 + 200 * Math.random()); // the winner's cookies are here, or nearly
        const outcome = await this.#load();
        if (outcome !== "signed-out") return outcome;
      } else if (answer.status === 401) {
        const { code } = await Problem.of(answer);
        if (this.#state.status === "signed-in" || code === "device_proof_required") {
          // Another tab may have signed in while we asked: the access token has the last word. And a browser whose
          // session is bound to its device refreshes by itself, before a request without an access cookie.
          const outcome = await this.#load();
          if (outcome !== "signed-out" || turn !== this.#turn) return outcome;
          this.#tell({ kind: "logout" });
        }
        this.#leave();
        return "signed-out";
      } else if (answer.status === 403) {
        // The cookies belong to another session than this page. Only the access cookie may say whose they are: a retry
        // without the token could give this page the session of an attacker who planted them (N3).
        const outcome = await this.#load();
        if (outcome === "signed-out" && turn === this.#turn) this.#leave();
        return outcome;
      } else {
        return this.#notNow(answer);
      }
    }
    return this.#notNow(Response.error());
  }

  /** Reads `GET /me`. "signed-out" here means only that the access token was refused. @returns {Promise<Outcome>} */
  async #load() {
    if (this.#credentials.isEmpty) return "signed-out";
    const turn = this.#turn;
    const answer = await this.#ask("GET", "me");
    if (await wantsFreshToken(answer)) return "signed-out";
    if (!answer.ok) return this.#notNow(answer);
    /** @type {Me} */
    const { id, username, email, email_verified, scopes, csrf_token, expires_in } = await readBody(answer);
    const user = { id, username, email, email_verified, scopes };
    const proof = csrf_token === undefined ? {} : { csrf_token };
    if (turn === this.#turn) this.#adopt({ expires_in, user, ...proof });
    return "renewed";
  }

  /** With how the tokens are to come, and for a client without cookies how it is known. @param {object} fields */
  #loginBody(fields) {
    const { delivery, device } = this.#credentials;
    return device === null ? { ...fields, delivery } : { ...fields, delivery, device };
  }

  /** @param {string} route @param {object} fields */
  async #enter(route, fields) {
    this.#start();
    this.#isAsked = true; // the answer will say it
    await this.#refreshing?.catch(() => {}); // else its late answer would put the old session over the new
    const { delivery } = this.#credentials;
    const body = route === "register" ? { ...fields, delivery } : this.#loginBody(fields);
    const answer = await this.#ask("POST", route, body);
    if (!answer.ok) throw await Problem.of(answer);
    /** @type {Tokens & {user: User}} */
    const tokens = await readBody(answer);
    this.#turn += 1;
    this.#owner = null; // this page itself asked for another user
    if (delivery === "cookie") await this.#checkCookies(tokens);
    this.#adopt(tokens);
    this.#tell({ kind: "login" });
    return tokens.user;
  }

  /**
   * Fails at the login where the session could not go on, not half an hour later at the refresh.
   * @param {Tokens} tokens @throws {WrongRefreshPath | CookiesBlocked}
   */
  async #checkCookies(tokens) {
    const base = new URL(this.#url(""));
    const path = tokens.refresh_path;
    if (path !== undefined && !pathMatches(`${base.pathname}refresh`, path)) {
      const wrong = new WrongRefreshPath(base.pathname.replace(/\/$/, ""), path);
      console.error(wrong.message); // for the developer: the page may show the user something else
      this.#credentials.adopt(tokens);
      await this.logout().catch(() => this.#leave());
      throw wrong;
    }
    // A browser that blocks the cookies of another site says so nowhere: only the next request shows it.
    if (base.origin === location.origin) return;
    const answer = await this.#ask("GET", "me").catch(() => null);
    if (answer?.status === 401) {
      this.#leave();
      throw new CookiesBlocked(this.base);
    }
  }

  /** @param {string} route @returns {string} never against a `<base>` of the page, which somebody may have injected */
  #url(route) {
    return new URL(`${this.base}/${route}`, location.href).href;
  }

  /** @param {Request} request */
  #isOurs(request) {
    const { origin } = new URL(request.url);
    return origin === new URL(this.#url("")).origin || this.#origins.has(origin);
  }

  /** @param {"GET" | "POST"} method @param {string} route @param {object} [body] */
  #ask(method, route, body) {
    const patience = route === "refresh" ? REFRESH_WITHIN_MS : ANSWER_WITHIN_MS;
    // A redirect would carry a password or a refresh token to a place that nobody named.
    /** @type {RequestInit} */
    const init = { method, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(patience) };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    return this.#send(new Request(this.#url(route), init));
  }

  /** @param {Request} request @param {boolean} [isLook] */
  async #send(request, isLook) {
    try {
      const answer = await globalThis.fetch(this.#credentials.attach(request, isLook));
      if (answer.status >= 500) this.#suffer("unavailable", retryAfterSeconds(answer));
      else if (this.#state.trouble !== null) this.#recover();
      return answer;
    } catch (error) {
      const calledOff = request.signal.aborted && request.signal.reason?.name !== "TimeoutError";
      if (!calledOff) this.#suffer("offline", 0);
      throw error;
    }
  }

  /** @param {Response} answer @returns {Response} */
  #notNow(answer) {
    this.#refreshNotBefore = Date.now() + 1000 * Math.max(retryAfterSeconds(answer), 1);
    this.#refusal = saysNotNow(answer) ? answer : new Response(null, { status: 503, headers: { "Retry-After": "1" } });
    if (answer.status === 431) this.#suffer("cookies", COOKIES_PAUSE_SECONDS);
    else if (this.#state.trouble === null) this.#suffer("unavailable", retryAfterSeconds(answer));
    return this.#refusal.clone();
  }

  /** @param {Trouble["kind"]} kind @param {number} seconds as the server asked; 0 when it did not */
  #suffer(kind, seconds) {
    this.#failures += 1;
    const wait = seconds || Math.min(30, 2 ** (this.#failures - 1));
    // Jitter only adds: many clients that got the same second must not come back in it.
    this.#become({ trouble: { kind, retryAt: Date.now() + wait * (1000 + 250 * Math.random()) } });
  }

  #recover() {
    this.#failures = 0;
    this.#become({ trouble: null });
  }

  /** @param {Pick<Tokens, "expires_in" | "user" | "access_token" | "refresh_token" | "csrf_token" | "device">} tokens */
  #adopt(tokens) {
    this.#credentials.adopt(tokens);
    this.#refreshes += 1;
    this.#refusal = null;
    this.#refreshNotBefore = 0;
    const user = tokens.user ?? this.#state.user;
    const lifetimeMs = tokens.expires_in * 1000;
    this.#expire(lifetimeMs);
    const before = this.#owner;
    this.#owner = user;
    if (before !== null && user !== null && before.id !== user.id) {
      for (const listener of [...this.#identityListeners]) listener({ before, now: user });
    }
    this.#become({ status: user ? "signed-in" : this.#state.status, user, expiresAt: Date.now() + lifetimeMs });
  }

  /** Jitter lets one of many tabs go first; the others get its message and wait on. @param {number} lifetimeMs */
  #expire(lifetimeMs) {
    this.#refreshDue = Date.now() + lifetimeMs * (0.75 + 0.15 * Math.random());
  }

  #leave() {
    this.#turn += 1;
    this.#credentials.forget();
    this.#owner = null;
    this.#become({ status: "signed-out", user: null, expiresAt: null });
  }

  /** @param {Partial<State>} news */
  #become(news) {
    this.#state = Object.freeze({ ...this.#state, ...news });
    this.#schedule();
    for (const listener of [...this.#listeners]) listener(this.#state);
  }

  /** One timer: the next refresh, or the next question after trouble. A hidden tab sleeps. */
  #schedule() {
    clearTimeout(this.#timer);
    const { status, trouble } = this.#state;
    if (isHidden() || (status !== "signed-in" && trouble === null)) return;
    const refreshAt = status === "signed-in" ? Math.max(this.#refreshDue, this.#refreshNotBefore) : Infinity;
    const at = trouble === null ? refreshAt : Math.max(trouble.retryAt, this.#refreshNotBefore);
    this.#timer = setTimeout(() => this.#wake(at), Math.min(Math.max(at - Date.now(), 0), LONGEST_SLEEP_MS));
  }

  /** @param {number} at */
  #wake(at) {
    if (Date.now() < at) return this.#schedule();
    const due = this.#state.status === "signed-in" && Date.now() >= this.#refreshDue;
    void (due ? this.refresh() : this.check()).catch(report);
  }

  /** @throws {TypeError} not in a browser */
  #start() {
    if (this.#isStarted) return;
    if (typeof location === "undefined") {
      throw new TypeError("a client is one browser's: a server that renders pages may import it, not call it");
    }
    this.#isStarted = true;
    // With tokens in memory each tab has a session of its own, and nothing of it concerns the others.
    if (this.#credentials.delivery === "cookie") {
      this.#channel = new BroadcastChannel(`sealring:${this.#url("")}`);
      this.#channel.onmessage = ({ data }) => this.#receive(data);
    }
    followPage({
      onReturn: () => {
        this.#schedule();
        if (!isHidden() && this.#state.status !== "signed-out") this.#checkSoon();
      },
      onThaw: () => {
        this.#become({ status: "unknown", user: null }); // nobody until the server says so
        this.#checkSoon();
      },
    });
  }

  /** @param {News} news */
  #tell(news) {
    this.#channel?.postMessage(news);
  }

  /** @param {News} news from another tab */
  #receive(news) {
    if (news.kind === "logout") this.#leave();
    else if (news.kind === "refreshed" && this.#state.status === "signed-in") {
      this.#refreshes += 1;
      this.#expire((news.expiresAt ?? 0) - Date.now());
      this.#become({ expiresAt: news.expiresAt ?? null });
    } else {
      this.#turn += 1;
      this.#checkSoon();
    }
  }
}

/**
 * What one tab tells the others; never a token.
 * @typedef {{kind: "login" | "logout" | "refreshed", expiresAt?: number | null}} News
 */
