// @ts-check
/**
 * What a tab holds of its session, and how a request carries it: one class for each delivery of the server.
 *
 * Cookies: the tokens are HttpOnly and never reach a script; what is held is the CSRF token. Body: both tokens are held,
 * in memory only. Nothing is ever written to a storage, where a script that runs for a moment could read a session
 * that lasts for weeks.
 */

/** @typedef {import("../types/bodies.js").Tokens} Tokens */
/** @typedef {Pick<Tokens, "access_token" | "refresh_token" | "csrf_token" | "device">} Held */

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

export class CookieCredentials {
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

export class BodyCredentials {
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
