// @ts-check
/**
 * Lets the user prove who they are: one method at a time, with buttons for the others, until the server asks no more.
 *
 * The same for the second step of a login and for a proof that has become too old; where it is sent is the page's.
 */

import { Problem } from "../client.js";
import { onPress } from "./button.js";
import { Form } from "./form.js";
import { METHODS } from "./methods.js";
import { find } from "./panel.js";

/** @typedef {Record<string, string>} Presented */
/**
 * @typedef {{
 *   begin: (method: string, pending: string | undefined) => Promise<Record<string, string>>,
 *   step: (method: string, response: Presented, pending: string | undefined) => Promise<void>,
 *   restart: () => void,
 * }} Carrier `step` rejects with a Problem; `restart` begins at the first step, when the earlier ones are too old
 */

export class Proof {
  #method = "";
  /** @type {string | undefined} of the steps before */
  #pending = undefined;
  /** @type {readonly string[]} */
  #methods = [];

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
    this.#choose(first);
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
  #choose(name) {
    const method = METHODS[name];
    if (method === undefined) return;
    this.#method = name;
    this.form.clear();
    this.hint.textContent = method.hint;
    this.hint.hidden = method.hint === "";
    this.fields.replaceChildren(...method.fields.map((field) => draw(field, this.form.form.id)));
    this.others.replaceChildren(
      ...this.#methods.filter((other) => other !== name).map((other) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
        button.textContent = METHODS[other]?.words ?? other;
        onPress(button, async () => this.#choose(other));
        return button;
      }),
    );
    this.fields.querySelector("input")?.focus();
  }

  /** @param {Presented} response */
  async #send(response) {
    try {
      await this.carrier.step(this.#method, response, this.#pending);
    } catch (error) {
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
