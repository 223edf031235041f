// @ts-check
/**
 * The browser's half of a session that lives in cookies: who is signed in, and until when (design D10).
 *
 * No token ever reaches this file: both are HttpOnly cookies. What it does know (user, CSRF token, expiry) stays in
 * memory and comes back from `GET /me` after a reload. One refresh at a time runs in a tab, and tabs tell each other
 * over BroadcastChannel; neither is needed for correctness, because the server hands concurrent tabs one and the same
 * successor (design D5), so there are no Web Locks. Only a server that refuses both the refresh and the access cookie
 * signs anybody out: 409, 429, 5xx, a slow answer and a dead network never do.
 *
 * A page that has a CSRF token never asks without it: the token says which session the page is of, and the cookies may
 * have become another's (attack N3). Where the server refuses it, `GET /me` says whose they are, and a page that was
 * somebody else's hears of it (`onIdentityChange`) and sends nothing again in the new name (`IdentityChanged`).
 */

/** @typedef {{id: string, username: string, email: string | null, scopes: string[]}} User */
/**
 * Why the service does not answer just now; `retryAt` (Unix milliseconds) is when it will be asked again.
 * "cookies": the browser sends so many cookies that no server reads them; somebody has to delete them.
 * @typedef {{kind: "offline" | "unavailable" | "cookies", retryAt: number}} Trouble
 */
/**
 * What the client knows. `expiresAt` (Unix milliseconds by this machine's clock) is the access token's end.
 * @typedef {{status: "unknown" | "signed-in" | "signed-out", user: User | null, expiresAt: number | null, trouble: Trouble | null}} State
 */
/** @typedef {{username: string, password: string}} Credentials */
/** @typedef {{expires_in: number, csrf_token: string, refresh_path?: string, user?: User}} Grant the body of a cookie delivery */
/** @typedef {{before: User, now: User}} IdentityChange whose this page was, and whose the cookies are now */
/** @typedef {"renewed" | "signed-out" | Response} Outcome a Response is one that says "not now" (429, 5xx) */

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const ANSWER_WITHIN_MS = 10_000;
const REFRESH_WITHIN_MS = 4_000; // under half the server's retry window: a retry then always finds the same answer
const LONGEST_SLEEP_MS = 3_600_000; // a timer counts in 32 bits; waking once an hour costs nothing
const COOKIES_PAUSE_SECONDS = 30;
const ROUNDS = 3; // a refresh that lost its race asks again with the cookie that won

/** An answer that says no: RFC 9457's members, and `retryAfter` in seconds (0 when the server names none). */
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

/** RFC 6265 §5.1.4. @param {string} path of a request @param {string} cookiePath @returns {boolean} */
const pathMatches = (path, cookiePath) =>
  path === cookiePath || path.startsWith(cookiePath.endsWith("/") ? cookiePath : `${cookiePath}/`);

/** RFC 9110 §10.2.3: seconds or a date. @param {Response} answer @returns {number} */
function retryAfterSeconds(answer) {
  const text = answer.headers.get("Retry-After");
  if (text === null) return 0;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : 0;
}

/** Whether a fresh access token may help: any 401 but a wrong password, and the 403 that says so. @param {Response} answer */
async function wantsFreshToken(answer) {
  if (answer.status !== 401 && answer.status !== 403) return false;
  const { code } = await Problem.of(answer);
  return answer.status === 401 ? code !== "invalid_credentials" : code === "invalid_token";
}

/** Whether the CSRF token was refused: the page and the cookies are of two sessions. @param {Response} answer */
async function saysOtherSession(answer) {
  return answer.status === 403 && (await Problem.of(answer)).code === "csrf";
}

/** @param {Response} answer */
const saysNotNow = (answer) => answer.status === 429 || answer.status >= 500;

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One tab's view of the session whose auth routes hang under `base`. Does nothing before its first use. */
export class Client {
  /** @type {State} */
  #state = Object.freeze({ status: "unknown", user: null, expiresAt: null, trouble: null });
  /** @type {Set<(state: State) => void>} */
  #listeners = new Set();
  /** @type {Set<(change: IdentityChange) => void>} */
  #identityListeners = new Set();
  /** @type {User | null} whose this page is, until somebody signs in or out in it */
  #owner = null;
  /** @type {string | null} */
  #csrf = null;
  /** @type {Promise<Outcome> | null} */
  #refreshing = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** @type {Response | null} what the server last said instead of a refresh */
  #refusal = null;
  #refreshNotBefore = 0;
  #refreshDue = Infinity;
  #refreshes = 0; // how often the cookies were renewed, here or in another tab
  #failures = 0;
  #turn = 0; // rises with each login and logout: an answer to a request of an earlier turn is ignored

  /** @param {{base?: string}} [options] the path of the auth routes; by default where this file was served from */
  constructor({ base = new URL(".", import.meta.url).pathname.replace(/\/$/, "") } = {}) {
    this.base = base;
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
    this.#listeners.add(listener);
    listener(this.#state);
    if (this.#start()) void this.check().catch(() => {});
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Calls `listener` whenever the cookies turn out to be another user's than this page was, before the new state is
   * told: what the page shows is the earlier user's. Not called for a login or logout, here or told by another tab.
   * @param {(change: IdentityChange) => void} listener
   * @returns {() => void} stops the calls
   */
  onIdentityChange(listener) {
    this.#identityListeners.add(listener);
    return () => void this.#identityListeners.delete(listener);
  }

  /** @param {Credentials & {email?: string}} fields @returns {Promise<User>} @throws {Problem | WrongRefreshPath | TypeError} */
  register(fields) {
    return this.#enter("register", fields);
  }

  /** @param {Credentials} credentials @returns {Promise<User>} @throws {Problem | WrongRefreshPath | TypeError} */
  login(credentials) {
    return this.#enter("login", credentials);
  }

  /** Ends the session everywhere. Rejects when the server could not be told: then nobody is signed out. */
  async logout() {
    await this.#refreshing?.catch(() => {}); // else its late answer would bring cookies back
    const answer = await this.fetch(`${this.base}/logout`, { method: "POST" });
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
   * As the window's `fetch`, with the session: sends the CSRF token, and when the access token is refused refreshes
   * once and asks once more. Other origins get neither. When no refresh is possible at the moment, the answer is the
   * server's 429 or 5xx with its Retry-After, not the 401 that would read as "logged out". A refused CSRF token is never
   * left out: the request goes again only with the token of a newer session of the same user.
   * @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>} @throws {IdentityChanged}
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== location.origin) return globalThis.fetch(request);
    this.#start();
    const [before, owner, proof] = [this.#refreshes, this.#owner, this.#csrf];
    const answer = await this.#send(request.clone());
    if (this.#state.status === "signed-out") return answer;
    const isOtherSession = proof !== null && (await saysOtherSession(answer));
    if (!isOtherSession && !(await wantsFreshToken(answer))) return answer;
    // Several requests may be refused together: a late one finds the refresh already done.
    const isDone = this.#refreshes !== before;
    const outcome = isDone ? "renewed" : await (isOtherSession ? this.#load() : this.refresh());
    if (owner !== null && this.#owner !== null && this.#owner.id !== owner.id) {
      throw new IdentityChanged({ before: owner, now: this.#owner });
    }
    if (isOtherSession && this.#csrf === proof) return answer;
    if (outcome instanceof Response) return outcome;
    return outcome === "signed-out" ? answer : this.#send(request);
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
   * user's login past this client (`onIdentityChange`).
   * @param {number} [seconds] @returns {() => void} stops it
   */
  watch(seconds = 3) {
    const look = () => {
      const { status, trouble } = this.#state;
      if (document.hidden || status !== "signed-in" || trouble !== null || this.#refreshing !== null) return;
      const headers = new Headers(this.#csrf === null ? {} : { "X-CSRF-Token": this.#csrf });
      void this.fetch(`${this.base}/live`, { cache: "no-store", headers }).catch(() => {});
    };
    const timer = setInterval(look, 1000 * seconds);
    return () => clearInterval(timer);
  }

  /** Asks the server who is signed in; an access token that has run out is refreshed first. */
  async check() {
    const outcome = await this.#load();
    if (outcome === "signed-out") await this.refresh();
  }

  /** @returns {Promise<Outcome>} */
  async #refresh() {
    if (this.#refusal !== null && Date.now() < this.#refreshNotBefore) return this.#refusal.clone();
    const early = this.#state.expiresAt !== null && Date.now() < this.#state.expiresAt;
    for (let round = 0; round < ROUNDS; round += 1) {
      const turn = this.#turn;
      const answer = await this.#ask("POST", "refresh");
      if (turn !== this.#turn) return this.#load();
      if (answer.ok) {
        this.#adopt(await answer.json());
        this.#tell({ kind: "refreshed", expiresAt: this.#state.expiresAt });
        // A token refused before its time had old claims: read the new ones, too.
        return this.#state.user === null || early ? this.#load() : "renewed";
      }
      if (answer.status === 409) {
        await pause(100 + 200 * Math.random()); // the winner's cookies are here, or nearly
        const outcome = await this.#load();
        if (outcome !== "signed-out") return outcome;
      } else if (answer.status === 401) {
        if (this.#state.status === "signed-in") {
          // Another tab may have signed in while we asked: the access cookie has the last word.
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

  /** Reads `GET /me`. "signed-out" here means only that the access cookie was refused. @returns {Promise<Outcome>} */
  async #load() {
    const turn = this.#turn;
    const answer = await this.#ask("GET", "me");
    if (await wantsFreshToken(answer)) return "signed-out";
    if (!answer.ok) return this.#notNow(answer);
    const { id, username, email = null, scopes, csrf_token, expires_in } = await answer.json();
    if (turn === this.#turn) this.#adopt({ csrf_token, expires_in, user: { id, username, email, scopes } });
    return "renewed";
  }

  /** @param {"login" | "register"} route @param {Credentials & {email?: string}} fields */
  async #enter(route, fields) {
    this.#start();
    await this.#refreshing?.catch(() => {}); // else its late answer would put the old session's cookies over the new
    const answer = await this.#ask("POST", route, { ...fields, delivery: "cookie" });
    if (!answer.ok) throw await Problem.of(answer);
    /** @type {Grant & {user: User}} */
    const grant = await answer.json();
    this.#turn += 1;
    const user = { ...grant.user, email: grant.user.email ?? null };
    this.#owner = null; // this page itself asked for another user
    await this.#checkRefreshPath(grant);
    this.#adopt({ ...grant, user });
    this.#tell({ kind: "login" });
    return user;
  }

  /** Fails at the login, not half an hour later at the refresh. @param {Grant} grant @throws {WrongRefreshPath} */
  async #checkRefreshPath({ refresh_path: path, csrf_token }) {
    const base = new URL(this.base, location.href).pathname;
    if (path === undefined || pathMatches(`${base}/refresh`, path)) return;
    const wrong = new WrongRefreshPath(base, path);
    console.error(wrong.message); // for the developer: the page may show the user something else
    this.#csrf = csrf_token;
    await this.logout().catch(() => this.#leave());
    throw wrong;
  }

  /** @param {"GET" | "POST"} method @param {string} route @param {object} [body] */
  #ask(method, route, body) {
    const patience = route === "refresh" ? REFRESH_WITHIN_MS : ANSWER_WITHIN_MS;
    /** @type {RequestInit} */
    const init = { method, cache: "no-store", signal: AbortSignal.timeout(patience) };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    return this.#send(new Request(`${this.base}/${route}`, init));
  }

  /** @param {Request} request */
  async #send(request) {
    if (this.#csrf !== null && !SAFE_METHODS.has(request.method)) request.headers.set("X-CSRF-Token", this.#csrf);
    try {
      const answer = await globalThis.fetch(request);
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
    // Jitter only adds: many clients that were told the same second shall not come back in it.
    this.#become({ trouble: { kind, retryAt: Date.now() + wait * (1000 + 250 * Math.random()) } });
  }

  #recover() {
    this.#failures = 0;
    this.#become({ trouble: null });
  }

  /** @param {Grant} grant */
  #adopt(grant) {
    this.#csrf = grant.csrf_token ?? this.#csrf;
    this.#refreshes += 1;
    this.#refusal = null;
    this.#refreshNotBefore = 0;
    const user = grant.user ?? this.#state.user;
    const lifetimeMs = grant.expires_in * 1000;
    this.#expire(lifetimeMs);
    const before = this.#owner;
    this.#owner = user;
    if (before !== null && user !== null && before.id !== user.id) {
      for (const listener of [...this.#identityListeners]) listener({ before, now: user });
    }
    this.#become({ status: user ? "signed-in" : this.#state.status, user, expiresAt: Date.now() + lifetimeMs });
  }

  /** Jitter lets one of many tabs go first; the others hear of it and wait on. @param {number} lifetimeMs */
  #expire(lifetimeMs) {
    this.#refreshDue = Date.now() + lifetimeMs * (0.75 + 0.15 * Math.random());
  }

  #leave() {
    this.#turn += 1;
    this.#csrf = null;
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
    if (document.hidden || (status !== "signed-in" && trouble === null)) return;
    const refreshAt = status === "signed-in" ? Math.max(this.#refreshDue, this.#refreshNotBefore) : Infinity;
    const at = trouble === null ? refreshAt : Math.max(trouble.retryAt, this.#refreshNotBefore);
    this.#timer = setTimeout(() => this.#wake(at), Math.min(Math.max(at - Date.now(), 0), LONGEST_SLEEP_MS));
  }

  /** @param {number} at */
  #wake(at) {
    if (Date.now() < at) return this.#schedule();
    const due = this.#state.status === "signed-in" && Date.now() >= this.#refreshDue;
    void (due ? this.refresh() : this.check()).catch(() => {});
  }

  /** @returns {boolean} true the first time */
  #start() {
    if (this.#channel !== null) return false;
    this.#channel = new BroadcastChannel(`sealring:${this.base}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const again = () => {
      this.#schedule();
      if (!document.hidden && this.#state.status !== "signed-out") void this.check().catch(() => {});
    };
    document.addEventListener("visibilitychange", again);
    addEventListener("online", again);
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      // Out of the back/forward cache, where it missed every logout: nobody until the server says so.
      this.#become({ status: "unknown", user: null });
      void this.check().catch(() => {});
    });
    return true;
  }

  /** @param {object} news */
  #tell(news) {
    this.#channel?.postMessage(news);
  }

  /** @param {{kind: "login" | "logout" | "refreshed", expiresAt?: number}} news from another tab */
  #hear(news) {
    if (news.kind === "logout") this.#leave();
    else if (news.kind === "refreshed" && this.#state.status === "signed-in") {
      this.#refreshes += 1;
      this.#expire((news.expiresAt ?? 0) - Date.now());
      this.#become({ expiresAt: news.expiresAt ?? null });
    } else {
      this.#turn += 1;
      void this.check().catch(() => {});
    }
  }
}

const client = new Client();
export const register = client.register.bind(client);
export const login = client.login.bind(client);
export const logout = client.logout.bind(client);
export const fetch = client.fetch.bind(client);
export const refresh = client.refresh.bind(client);
export const watch = client.watch.bind(client);
export const onChange = client.onChange.bind(client);
export const onIdentityChange = client.onIdentityChange.bind(client);
