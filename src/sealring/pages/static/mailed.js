// @ts-check
/**
 * Pages that a mail leads to. A page that is opened uses nothing up: programs that scan mail open every link. What the
 * link allows is done at the press of a button.
 */

import { Form } from "./form.js";
import { find } from "./panel.js";

/** @typedef {import("./form.js").Fields} Fields */

/**
 * Members of the fragment, which no server and no `Referer` gets; it leaves the address bar and the history at once.
 * @param {string[]} names @returns {(string | null)[]}
 */
function take(...names) {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  return names.map((name) => given.get(name));
}

/**
 * A form that a link fills, or a code of the same mail where there is no link.
 * @param {string} id @param {(fields: Fields) => Promise<string>} send resolves with what to say @param {import("./form.js").FieldOf} [fieldOf]
 */
export function mailed(id, send, fieldOf = {}) {
  const [token = null, email = null] = take("token", "email");
  const byCode = document.getElementById("by-code");
  if (token !== null) byCode?.remove();
  addEventListener("hashchange", () => location.reload()); // another link, opened in this tab
  const form = new Form(
    id,
    async (fields) => {
      const words = find(document, "#done-words", HTMLElement);
      words.textContent = await send(token === null ? fields : { ...fields, token });
      form.form.hidden = true;
      for (const other of document.querySelectorAll("#again")) other.toggleAttribute("hidden", true);
      find(document, "#done", HTMLElement).hidden = false;
      words.focus();
    },
    fieldOf,
  );
  const address = form.form.elements.namedItem("email");
  if (address instanceof HTMLInputElement) address.value = email ?? "";
  if (token === null && byCode === null) form.button.remove(); // nothing to do without a link
}
