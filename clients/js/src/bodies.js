// @ts-check
/**
 * The JSON bodies of the auth routes. Written by scripts/docs from the table of endpoints: change it there.
 */

/**
 * `POST /login`; `device` is what an earlier answer said, for clients without cookies.
 * @typedef {object} LoginRequest
 * @property {string} username
 * @property {string} password
 * @property {"body" | "cookie"} [delivery]
 * @property {string | null} [device]
 */

/**
 * The live sessions of a user, newest first.
 * @typedef {object} ManySessions
 * @property {Array<OneSession>} sessions
 */

/**
 * Who is asking, by which session, with which claims.
 * @typedef {object} Me
 * @property {string} id
 * @property {string | null} username
 * @property {string | null} email
 * @property {Array<string>} scopes
 * @property {OneSession} session
 * @property {Record<string, any>} claims
 * @property {number} expires_in
 * @property {string} [csrf_token]
 */

/**
 * A session, as its owner sees it. Times are Unix seconds.
 * @typedef {object} OneSession
 * @property {string} id
 * @property {string} device
 * @property {string} address
 * @property {number} created_at
 * @property {number} last_seen_at
 * @property {number} expires_at
 * @property {boolean} current
 */

/**
 * `POST /password`.
 * @typedef {object} PasswordChangeRequest
 * @property {string} current
 * @property {string} new
 */

/**
 * `POST /refresh` without cookies, and `POST /logout` with nothing else in hand.
 * @typedef {object} Refresh
 * @property {string} refresh_token
 */

/**
 * `POST /register`.
 * @typedef {object} Registration
 * @property {string} username
 * @property {string} password
 * @property {string | null} [email]
 * @property {"body" | "cookie"} [delivery]
 */

/**
 * RFC 9457 §3, with our stable `code`. `type` is "about:blank", so `title` is the status's own phrase.
 * @typedef {object} SealringProblem
 * @property {string} title
 * @property {number} status
 * @property {string} detail
 * @property {string} code
 * @property {Array<SealringProblemField>} [errors]
 * @property {string} type
 */

/**
 * One field that could not be accepted.
 * @typedef {object} SealringProblemField
 * @property {string} field
 * @property {string} reason
 */

/**
 * RFC 6749 §5.2; where it has no code for the cause, the members of problem details too.
 * @typedef {object} TokenRefusal
 * @property {string} error
 * @property {string} error_description
 * @property {string} [code]
 */

/**
 * Tokens, or, when cookies carry them, what a page needs beside the cookies. Lives in seconds.
 * @typedef {object} Tokens
 * @property {number} expires_in
 * @property {string} scope
 * @property {string} [access_token]
 * @property {"Bearer"} [token_type]
 * @property {string} [refresh_token]
 * @property {number} refresh_expires_in
 * @property {string} [csrf_token]
 * @property {string} [refresh_path]
 * @property {string} [device]
 * @property {User} [user]
 */

/**
 * The account, as its owner sees it.
 * @typedef {object} User
 * @property {string} id
 * @property {string | null} username
 * @property {string | null} email
 * @property {Array<string>} scopes
 */

export {};
