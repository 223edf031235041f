// @ts-check
/**
 * How a page lets its user prove who they are, by each method: one row per method. A method without a row is not
 * offered, since the page could not carry it out.
 */

/**
 * `words` on the button that chooses it; `hint` above its fields. `enrolls`: an account without it may get it in the
 * course of a login. `sign`: what proves it is made from a challenge of the server, and not typed.
 * @typedef {{name: string, label: string, type?: string, autocomplete: AutoFill, inputMode?: string}} Field
 * @typedef {Record<string, string>} Presented
 * @typedef {{
 *   words: string, hint: string, fields: readonly Field[], enrolls?: boolean,
 *   sign?: (challenge: Presented) => Promise<Presented>,
 * }} Method
 */

/** @type {Readonly<Record<string, Method>>} */
export const METHODS = Object.freeze({
  password: {
    words: "Use your password",
    hint: "",
    fields: [{ name: "password", label: "Password", type: "password", autocomplete: "current-password" }],
  },
  passkey: {
    words: "Use a passkey",
    hint: "Your browser asks for your passkey.",
    fields: [],
    sign: async ({ options = "" }) => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
      return { credential: JSON.stringify(await navigator.credentials.get({ publicKey })) };
    },
  },
  totp: {
    words: "Use your authenticator app",
    hint: "Enter the code that your authenticator app shows for this site.",
    fields: [{ name: "code", label: "Code", autocomplete: "one-time-code", inputMode: "numeric" }],
    enrolls: true,
  },
  "recovery-code": {
    words: "Use a recovery code",
    hint: "Each of your recovery codes is good once.",
    fields: [{ name: "code", label: "Recovery code", autocomplete: "off" }],
  },
});

/** Whether the user has closed the browser's own dialog: then nothing happened, and nothing need be said. @param {unknown} error */
export const isCancelled = (error) => error instanceof DOMException && error.name === "NotAllowedError";
