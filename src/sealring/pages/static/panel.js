// @ts-check
/**
 * A section whose content is one GET: loading, there, empty, or not to be had just now.
 *
 * Content is private: `clear` takes it out of the document, and an answer that arrives after that is dropped, so that
 * nothing of one user is ever shown after they left or to the next.
 */

import { fetch, Problem } from "../client.js";
import { sentence } from "./notice.js";

/** The one element that `selector` names. @template {Element} T @param {ParentNode} root @param {string} selector @param {new () => T} type @returns {T} */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new TypeError(`the page has no ${selector}`);
  return element;
}

/** A fresh copy of a template's first element. @param {string} id @returns {HTMLElement} */
export function stamp(id) {
  const { content } = find(document, `#${id}`, HTMLTemplateElement);
  return /** @type {HTMLElement} */ (find(content, "*", HTMLElement).cloneNode(true));
}

export class Panel {
  #asked = 0;
  failed = false;

  /**
   * @param {HTMLElement} section with a `.state` line and a `.content`
   * @param {string} url
   * @param {(body: any) => Node[]} draw the rows; none means empty
   * @param {string} empty what to say then
   */
  constructor(section, url, draw, empty) {
    this.section = section;
    this.url = url;
    this.draw = draw;
    this.empty = empty;
    this.line = find(section, ".state", HTMLElement);
    this.content = find(section, ".content", HTMLElement);
    this.rows = find(section, "tbody, ul.content, dl", HTMLElement);
  }

  async load() {
    const asked = ++this.#asked;
    this.section.ariaBusy = "true";
    if (this.content.hidden) this.#say("Loading…");
    const answer = await fetch(this.url, { cache: "no-store" }).catch(() => null);
    const body = answer?.ok ? await answer.json().catch(() => null) : null;
    const problem = answer && !answer.ok ? await Problem.of(answer) : null;
    if (asked !== this.#asked) return;
    this.section.ariaBusy = "false";
    this.failed = body === null;
    if (this.failed) {
      // What is already there stays: an outage takes nothing away from somebody who reads.
      if (this.content.hidden) this.#say(problem ? sentence(problem.message) : "Not to be had just now.");
      return;
    }
    const rows = this.draw(body);
    this.rows.replaceChildren(...rows);
    this.content.hidden = rows.length === 0;
    this.#say(rows.length === 0 ? this.empty : "");
  }

  clear() {
    this.#asked += 1;
    this.failed = false;
    this.rows.replaceChildren();
    this.content.hidden = true;
    this.#say("");
  }

  /** @param {string} text */
  #say(text) {
    this.line.textContent = text;
    this.line.hidden = text === "";
  }
}
