// @ts-check
/**
 * A form that sends JSON through the client and shows each refusal where it belongs (RFC 9457 with `errors[]`).
 *
 * It never holds back a paste or a password manager, says nothing before it was sent, and after a 429 or 503 counts
 * down the server's Retry-After with its button closed.
 */

import { Problem } from "../client.js";
import { isClosed, setClosed } from "./button.js";
import { countdown } from "./clock.js";
import { sentence } from "./notice.js";
import { find } from "./panel.js";

/** @typedef {Record<string, string>} Fields */
/** @typedef {Record<string, string>} FieldOf a problem's code, or the server's name of a field → the input's name */

export class Form {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #counting = undefined;

  /**
   * @param {string} id
   * @param {(fields: Fields) => Promise<void>} send rejects with a Problem or a TypeError
   * @param {FieldOf} [fieldOf]
   */
  constructor(id, send, fieldOf = {}) {
    this.form = find(document, `#${id}`, HTMLFormElement);
    this.send = send;
    this.fieldOf = fieldOf;
    this.alert = find(this.form, ".alert", HTMLElement);
    this.button = find(this.form, "[type=submit]", HTMLButtonElement);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    for (const show of this.form.querySelectorAll("button.show")) this.#show(/** @type {HTMLButtonElement} */ (show));
  }

  async submit() {
    if (isClosed(this.button)) return;
    this.#tidy();
    if (this.#missing()) return;
    setClosed(this.button, true);
    this.form.ariaBusy = "true";
    try {
      /** @type {Fields} */
      const fields = {};
      for (const [name, value] of new FormData(this.form)) if (typeof value === "string" && value !== "") fields[name] = value;
      await this.send(fields);
      this.clear();
    } catch (error) {
      this.#explain(error);
    } finally {
      this.form.ariaBusy = "false";
      if (this.#counting === undefined) setClosed(this.button, false);
    }
  }

  /** Empties the form: no password stays in the document. */
  clear() {
    this.form.reset();
    this.#tidy();
    for (const show of this.form.querySelectorAll("button.show[aria-pressed=true]")) /** @type {HTMLButtonElement} */ (show).click();
  }

  #tidy() {
    clearInterval(this.#counting);
    this.#counting = undefined;
    setClosed(this.button, false);
    this.alert.hidden = true;
    for (const error of this.form.querySelectorAll(".error")) /** @type {HTMLElement} */ (error).hidden = true;
    for (const input of this.form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  #missing() {
    const empty = [...this.form.querySelectorAll("input")].filter((input) => input.required && input.value === "");
    for (const input of empty) this.#blame(input.name, "this is needed");
    empty[0]?.focus();
    return empty.length > 0;
  }

  /** @param {unknown} error */
  #explain(error) {
    if (!(error instanceof Problem)) return this.#warn("The service cannot be reached. Nothing was changed; try again.");
    const own = this.fieldOf[error.code];
    const reasons = own ? [{ field: own, reason: error.message }] : error.errors;
    const unplaced = reasons.filter(({ field, reason }) => !this.#blame(this.fieldOf[field] ?? field.replace(/^response\./, ""), reason));
    if (unplaced.length > 0 || reasons.length === 0) this.#warn(sentence(unplaced[0]?.reason ?? error.message));
    if (error.retryAfter > 0 && (error.status === 429 || error.status === 503)) this.#count(error.retryAfter);
    const first = this.form.querySelector("[aria-invalid]");
    if (first instanceof HTMLElement) first.focus();
  }

  /** @param {string} name @param {string} reason @returns {boolean} whether there is such a field */
  #blame(name, reason) {
    const input = this.form.elements.namedItem(name);
    const error = input instanceof HTMLInputElement && document.getElementById(`${input.id}-error`);
    if (!error) return false;
    input.setAttribute("aria-invalid", "true");
    error.textContent = sentence(reason);
    error.hidden = false;
    return true;
  }

  /** @param {string} text */
  #warn(text) {
    this.alert.textContent = text;
    this.alert.hidden = false;
  }

  /** Counts down aloud once and silently after: a live region that ticks is torture. @param {number} seconds */
  #count(seconds) {
    const until = Date.now() + seconds * 1000;
    const ticking = Object.assign(document.createElement("span"), { ariaHidden: "true" });
    const words = Object.assign(document.createElement("span"), { className: "unseen", textContent: ` Try again in ${seconds} seconds.` });
    this.alert.append(words, ticking);
    setClosed(this.button, true);
    const tick = () => {
      const left = until - Date.now();
      if (left <= 0) return this.#tidy();
      ticking.textContent = ` Try again in ${countdown(left)}.`;
    };
    tick();
    this.#counting = setInterval(tick, 1000);
  }

  /** @param {HTMLButtonElement} button */
  #show(button) {
    const input = find(document, `#${button.getAttribute("aria-controls")}`, HTMLInputElement);
    button.addEventListener("click", () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.ariaPressed = String(shown);
    });
  }
}
