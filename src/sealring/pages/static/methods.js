// @ts-check
/**
 * How a page lets its user prove who they are, by each method: one row per method. A method without a row is not
 * offered, since the page could not carry it out.
 */

/**
 * `words` on the button that chooses it; `hint` above its fields; `begins` where the server gives something first.
 * @typedef {{name: string, label: string, type?: string, autocomplete: AutoFill, inputMode?: string}} Field
 * @typedef {{words: string, hint: string, fields: readonly Field[], begins?: boolean}} Method
 */

/** @type {Readonly<Record<string, Method>>} */
export const METHODS = Object.freeze({
  password: {
    words: "Use your password",
    hint: "",
    fields: [{ name: "password", label: "Password", type: "password", autocomplete: "current-password" }],
  },
  totp: {
    words: "Use your authenticator app",
    hint: "Open your authenticator app and enter the code that it shows for this site.",
    fields: [{ name: "code", label: "Code", autocomplete: "one-time-code", inputMode: "numeric" }],
  },
  "recovery-code": {
    words: "Use a recovery code",
    hint: "Each of your recovery codes is good once.",
    fields: [{ name: "code", label: "Recovery code", autocomplete: "off" }],
  },
});
