// @ts-check
/**
 * A list of what a user has put on the account, such as identities and passkeys, with a button that removes each.
 */

import { Problem } from "../client.js";
import { onPress } from "./button.js";
import { ago, date, setTime } from "./clock.js";
import { say, sentence } from "./notice.js";
import { find, Panel, stamp } from "./panel.js";
import { route } from "./place.js";
import { askRecent, NotProved } from "./recent.js";

/** @typedef {{id: string, created_at: number, last_used_at: number | null}} Owned */

/**
 * @template {Owned} T
 * @param {HTMLElement} section as a `Panel` wants it @param {string} path of the list; each has its own below it
 * @param {(body: any) => T[]} listed @param {(one: T) => string} words what it is called
 * @param {string} empty what to say when there is none @param {(body: any) => Promise<void>} [removed]
 * @returns {Panel}
 */
export function owned(section, path, listed, words, empty, removed = async () => {}) {
  const title = find(section, "h2", HTMLElement);

  /** @param {T} one @param {any} body */
  function row(one, body) {
    const li = stamp("owned-row");
    find(li, ".label", HTMLElement).textContent = words(one);
    setTime(find(li, ".created", HTMLTimeElement), one.created_at, date);
    const used = find(li, ".used", HTMLElement);
    used.hidden = one.last_used_at === null;
    if (one.last_used_at !== null) setTime(find(used, "time", HTMLTimeElement), one.last_used_at, ago);
    const button = find(li, ".remove", HTMLButtonElement);
    button.ariaLabel = `Remove ${words(one)}`;
    onPress(button, () => remove(one, body));
    return li;
  }

  /** @param {T} one @param {any} body */
  async function remove(one, body) {
    try {
      await askRecent("DELETE", `${path}/${encodeURIComponent(one.id)}`);
      say(`Removed: ${words(one)}.`);
      await removed({ ...body, removed: one });
    } catch (error) {
      if (error instanceof NotProved) return;
      say(error instanceof Problem ? sentence(error.message) : "The service cannot be reached: nothing was removed. Try again.");
    }
    await panel.load();
    title.focus(); // the button that had the focus is gone
  }

  const panel = new Panel(section, route(path), (body) => listed(body).map((one) => row(one, body)), empty);
  return panel;
}
