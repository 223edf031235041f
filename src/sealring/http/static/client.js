// Written by scripts/docs from the modules in clients/js/src: change it there.
/**
 * What a call may reject with beside the browser's own `TypeError` of a dead network, and how an answer is read.
 *
 * No error holds a token, a password or a cookie.
 */

/** @typedef {{before: User, now: User}} IdentityChange whose this page was, and whose the cookies are now */

/**
 * An answer that refuses: the members of RFC 9457, and `retryAfter` in seconds (0 when the server names none). With the
 * code "second_factor_required" the login goes on by one of `methods`, with `pending`.
 */
class Problem extends Error {
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
class IdentityChanged extends Error {
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
class WrongRefreshPath extends Error {
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
class CookiesBlocked extends Error {
  /** @param {string} base */
  constructor(base) {
    super(`the browser sends no cookies from this page to ${base}: allow them, or use delivery "body"`);
    this.name = "CookiesBlocked";
    this.base = base;
  }
}

/** Something answered at `base`, but not the auth service: a page of an application, an error page of a proxy. */
class WrongBase extends Error {
  /** @param {string} url */
  constructor(url) {
    super(`${url} was not answered by the auth service: set base to the URL or path of the auth routes`);
    this.name = "WrongBase";
    this.url = url;
  }
}

/** RFC 9110 §10.2.3: seconds or a date. @param {Response} answer @returns {number} */
function retryAfterSeconds(answer) {
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
async function wantsFreshToken(answer) {
  if (answer.status !== 401 && answer.status !== 403) return false;
  const { code } = await Problem.of(answer);
  return answer.status === 401 ? !PROOF_CODES.has(code) : code === "invalid_token";
}

/** Whether the CSRF token was refused: the page and the cookies are of two sessions. @param {Response} answer */
async function saysOtherSession(answer) {
  return answer.status === 403 && (await Problem.of(answer)).code === "csrf";
}

/** @param {Response} answer */
const saysNotNow = (answer) => answer.status === 429 || answer.status >= 500;

/**
 * The JSON object of a success, known by a member that it always has.
 * @template T @param {Response} answer @param {string} [member] @returns {Promise<T>}
 * @throws {WrongBase} where a success of another program came
 */
async function readBody(answer, member = "expires_in") {
  const body = await answer.json().catch(() => null);
  if (body?.[member] === undefined) throw new WrongBase(answer.url);
  return body;
}

/**
 * What a tab holds of its session, and how a request carries it: one class for each delivery of the server.
 *
 * Cookies: the tokens are HttpOnly and never reach a script; what is held is the CSRF token. Body: both tokens are held,
 * in memory only. Nothing is ever written to a storage, where a script that runs for a moment could read a session
 * that lasts for weeks.
 */

/** @typedef {Pick<Tokens, "access_token" | "refresh_token" | "csrf_token" | "device">} Held */

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

class CookieCredentials {
  /** @type {string | null} */
  #csrf = null;
  delivery = /** @type {const} */ ("cookie");
  /** What goes into the body of a refresh: nothing, the cookie is the token. */
  refreshBody = undefined;
  device = null;
  /** Whether it is certain that nobody is signed in. */
  isEmpty = false;

  /** Which session the page is of, where it knows. */
  get proof() {
    return this.#csrf;
  }

  /** @param {Held} tokens */
  adopt({ csrf_token }) {
    this.#csrf = csrf_token ?? this.#csrf;
  }

  forget() {
    this.#csrf = null;
  }

  /**
   * The request with the session. Cookies of another origin come along only where they are asked for.
   * @param {Request} request @param {boolean} [isLook] a GET that asks whether the cookies became another session's
   */
  attach(request, isLook = false) {
    const isForeign = new URL(request.url).origin !== location.origin;
    const mayCarry = isForeign && request.credentials !== "omit";
    const carrying = mayCarry ? new Request(request, { credentials: "include" }) : request;
    if (this.#csrf !== null && (isLook || !SAFE_METHODS.has(request.method))) {
      carrying.headers.set("X-CSRF-Token", this.#csrf);
    }
    return carrying;
  }
}

class BodyCredentials {
  /** @type {string | null} */
  #access = null;
  /** @type {string | null} */
  #refresh = null;
  /** @type {string | null} */
  #device = null;
  delivery = /** @type {const} */ ("body");
  /** There is no CSRF where no cookie is: whose token it is, the token itself says. */
  proof = null;

  /** How the server knows this client again at its next login, where no cookie says it. */
  get device() {
    return this.#device;
  }

  get refreshBody() {
    return { refresh_token: this.#refresh };
  }

  get isEmpty() {
    return this.#refresh === null;
  }

  /** @param {Held} tokens */
  adopt({ access_token, refresh_token, device }) {
    this.#access = access_token ?? this.#access;
    this.#refresh = refresh_token ?? this.#refresh;
    this.#device = device ?? this.#device;
  }

  forget() {
    this.#access = this.#refresh = null;
  }

  /**
   * The request with the access token, unless it has one of its own. Cookies stay away: two credentials in one request
   * may be of two sessions, and are refused.
   * @param {Request} request @param {boolean} [_isLook]
   */
  attach(request, _isLook) {
    const bare = request.credentials === "include" ? request : new Request(request, { credentials: "omit" });
    if (this.#access !== null && !bare.headers.has("Authorization")) {
      bare.headers.set("Authorization", `Bearer ${this.#access}`);
    }
    return bare;
  }
}

/**
 * What surrounds a tab: whether it can be seen, when it comes back, and the other tabs of this origin.
 *
 * Nothing here is touched at import: a server that renders pages has none of these.
 */

/** Whether nobody looks at this tab. A worker has no document, and is as good as seen. */
const isHidden = () => typeof document !== "undefined" && document.hidden;

/**
 * @param {{onReturn: () => void, onThaw: () => void}} calls `onReturn`: seen or hidden, or online again; `onThaw`: out of
 *   the back/forward cache, where a page misses everything
 */
function followPage({ onReturn, onThaw }) {
  globalThis.document?.addEventListener("visibilitychange", onReturn);
  addEventListener("online", onReturn);
  addEventListener("pageshow", ({ persisted }) => persisted && onThaw());
}

/**
 * The URL of the auth routes, without a slash at its end.
 * @param {string | URL} base @returns {string} as it was given: a path keeps its meaning on every page of the origin
 * @throws {TypeError} neither a path from the root nor an http or https URL; never a guess
 */
function readBase(base) {
  const text = String(base ?? "");
  const isPath = /^\/(?![/\\])/.test(text);
  const parsed = parse(text, isPath ? "https://page.invalid" : undefined);
  const isFit = parsed !== null && /^https?:$/.test(parsed.protocol) && (isPath || /^https?:\/\//i.test(text));
  if (!isFit || parsed.username || parsed.password || parsed.search || parsed.hash) {
    throw new TypeError("base: want the path or URL of the auth routes, such as '/auth' or 'https://auth.example/auth'");
  }
  return (isPath ? parsed.pathname : parsed.href).replace(/\/+$/, "");
}

/** @param {string} text @param {string} [from] */
function parse(text, from) {
  try {
    return new URL(text, from);
  } catch {
    return null;
  }
}

/** @param {string} text @returns {string} @throws {TypeError} not an exact origin */
function readOrigin(text) {
  const parsed = parse(text);
  if (parsed === null || parsed.origin !== text) {
    throw new TypeError("origins: want exact origins, such as 'https://api.example.com'");
  }
  return text;
}

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
const UNKNOWN = Object.freeze({ status: "unknown", user: null, expiresAt: null, trouble: null });

/** RFC 6265 §5.1.4. @param {string} path of a request @param {string} cookiePath @returns {boolean} */
const pathMatches = (path, cookiePath) =>
  path === cookiePath || path.startsWith(cookiePath.endsWith("/") ? cookiePath : `${cookiePath}/`);

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What nobody waits for fails silently, but for a mistake of the developer. @param {unknown} error */
const report = (error) => void (error instanceof WrongBase && console.error(error.message));

/** One tab's view of the session whose auth routes are under `base`. Does nothing before its first use. */
class Client {
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

/**
 * Passkeys (WebAuthn Level 3) over a client's session: log in by one, offer them where a username is typed, add, list,
 * rename, remove.
 *
 * The browser and the authenticator do the cryptography; this carries JSON between them and the auth routes. A browser
 * has one question open at a time: an offer in a field waits in the background, so it is withdrawn before a dialog opens
 * and made again after it, also where the dialog was cancelled.
 */

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
class Passkeys {
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

/**
 * The end of `/auth/client.js`: one client for pages without a bundler. Its base is where the script was served from.
 *
 * In a bundle the script's address is the bundle's, and a path made from it would be a guess. So another file name than
 * ours is refused, and a password is posted only after the auth service has answered at that base.
 */

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

export { Client, Passkeys, CookiesBlocked, IdentityChanged, Problem, WrongBase, WrongRefreshPath };
