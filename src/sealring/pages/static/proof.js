// @ts-check
/**
 * Lets the user prove who they are: one method at a time, with buttons for the others, until the server asks no more.
 *
 * The same for the second step of a login and for a proof that has become too old; where it is sent is the page's.
 */

import { Problem } from "../client.js";
import { onPress } from "./button.js";
import { drawEnrollment } from "./enrollment.js";
import { Form } from "./form.js";
import { isCancelled, METHODS } from "./methods.js";
import { find } from "./panel.js";

/** @typedef {import("./methods.js").Presented} Presented */
/**
 * @typedef {{
 *   begin: (method: string, pending: string | undefined) => Promise<Record<string, string>>,
 *   step: (method: string, response: Presented, pending: string | undefined) => Promise<void>,
 *   restart: () => void,
 *   enrolls?: boolean,
 * }} Carrier `step` rejects with a Problem; `restart` begins at the first step, when the earlier ones are too old;
 *   `enrolls`: an account that has no second factor may get one here
 */

export class Proof {
  #method = "";
  /** @type {string | undefined} of the steps before */
  #pending = undefined;
  /** @type {readonly string[]} */
  #methods = [];
  #enrollment = "";

  /** @param {string} id of a form with `.hint`, `.fields` and `.others` @param {Carrier} carrier */
  constructor(id, carrier) {
    this.carrier = carrier;
    this.form = new Form(id, (fields) => this.#send(fields));
    this.hint = find(this.form.form, ".hint", HTMLElement);
    this.fields = find(this.form.form, ".fields", HTMLElement);
    this.others = find(this.form.form, ".others", HTMLElement);
  }

  /**
   * Offers these methods, the first of them at once.
   * @param {readonly string[]} methods @param {string} [pending] @returns {boolean} whether there is one that we know
   */
  show(methods, pending) {
    this.#pending = pending;
    this.#methods = methods.filter((name) => Object.hasOwn(METHODS, name));
    const [first] = this.#methods;
    if (first === undefined) return false;
    void this.#choose(first);
    return true;
  }

  /** Empties it: no code stays in the document. */
  clear() {
    this.#pending = undefined;
    this.form.clear();
    this.fields.replaceChildren();
    this.others.replaceChildren();
  }

  /** @param {string} name */
  async #choose(name) {
    const method = METHODS[name];
    if (method === undefined) return;
    this.#method = name;
    this.#enrollment = "";
    this.form.clear();
    this.hint.textContent = method.hint;
    this.hint.hidden = method.hint === "";
    this.fields.replaceChildren(...method.fields.map((field) => draw(field, this.form.form.id)));
    this.others.replaceChildren(
      ...this.#methods.filter((other) => other !== name).map((other) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
        button.textContent = METHODS[other]?.words ?? other;
        onPress(button, () => this.#choose(other));
        return button;
      }),
    );
    (this.fields.querySelector("input") ?? this.form.button).focus();
    if (method.enrolls && this.carrier.enrolls) await this.#enroll(name);
  }

  /** Where the account has no app yet, it gets one now. @param {string} name */
  async #enroll(name) {
    const challenge = await this.carrier.begin(name, this.#pending).catch(() => null);
    if (!challenge?.["qr"] || this.#method !== name) return;
    const { enrollment = "", secret = "", uri = "", qr = "" } = challenge;
    this.#enrollment = enrollment;
    this.hint.textContent = "This service asks for a second factor. Set up an authenticator app, and enter the code that it shows.";
    this.fields.prepend(drawEnrollment({ enrollment, secret, uri, qr }));
  }

  /** @param {Presented} typed */
  async #send(typed) {
    const [name, pending] = [this.#method, this.#pending];
    const enrolled = this.#enrollment === "" ? {} : { enrollment: this.#enrollment };
    try {
      const sign = METHODS[name]?.sign;
      const response = sign === undefined ? { ...typed, ...enrolled } : await sign(await this.carrier.begin(name, pending));
      await this.carrier.step(name, response, pending);
    } catch (error) {
      if (isCancelled(error)) return;
      if (!(error instanceof Problem)) throw error;
      if (error.code === "second_factor_required") this.show(error.methods, error.pending);
      else if (error.code === "login_expired") this.carrier.restart();
      else throw error;
    }
  }
}

/** @param {import("./methods.js").Field} field @param {string} form @returns {HTMLElement} */
function draw({ name, label, type = "text", autocomplete, inputMode = "" }, form) {
  const id = `${form}-${name}`;
  const input = Object.assign(document.createElement("input"), { id, name, type, autocomplete, inputMode, required: true });
  input.autocapitalize = "none";
  input.spellcheck = false;
  input.setAttribute("aria-describedby", `${id}-error`);
  const error = Object.assign(document.createElement("p"), { id: `${id}-error`, className: "error", hidden: true });
  const words = Object.assign(document.createElement("label"), { htmlFor: id, textContent: label });
  const field = Object.assign(document.createElement("div"), { className: "field" });
  field.append(words, input, error);
  return field;
}
