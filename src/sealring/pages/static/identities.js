// @ts-check
/**
 * The identities at providers by which this user can log in: link one more, unlink one.
 */

import { Problem } from "../client.js";
import { onPress } from "./button.js";
import { owned } from "./owned.js";
import { say, sentence } from "./notice.js";
import { find } from "./panel.js";
import { askRecent, NotProved } from "./recent.js";

/** @typedef {import("./frame.js").Provider} Provider */
/** @typedef {{id: string, provider: string, label: string, created_at: number, last_used_at: number | null}} Identity */

const section = find(document, "#identities", HTMLElement);
/** @type {Map<string, string>} */
const titles = new Map();

export const identities = owned(
  section,
  "identities",
  (/** @type {{identities: Identity[]}} */ body) => body.identities,
  ({ provider, label }) => [titles.get(provider) ?? provider, label].filter(Boolean).join(": "),
  "None is linked.",
);

/** Offers to link one more. @param {readonly Provider[]} providers */
export function offerLinks(providers) {
  section.hidden = providers.length === 0;
  for (const { name, title } of providers) titles.set(name, title);
  find(section, ".buttons", HTMLElement).replaceChildren(
    ...providers.map(({ name, title }) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Link ${title}` });
      onPress(button, () => link(name));
      return button;
    }),
  );
}

/** @param {string} provider */
async function link(provider) {
  try {
    const answer = await askRecent("POST", `oidc/${provider}/link`, { next: location.pathname });
    location.assign((await answer.json()).url);
  } catch (error) {
    if (error instanceof NotProved) return;
    say(error instanceof Problem ? sentence(error.message) : "The service cannot be reached; try again.");
  }
}
