// @ts-check
/**
 * Links to identity providers. They lead there and come back to the page that has them: logged in, with
 * `sign_in_error` in the query, or with the next step of the login in the fragment.
 */

import { route } from "./place.js";

/** @typedef {import("./frame.js").Provider} Provider */

/** What became of a login there, for people; the codes are those of the page on providers. */
const ERRORS = new Map([
  ["access_denied", "The login was called off."],
  ["registration_closed", "There is no account for this login, and nobody can register here by themselves."],
  ["link_required", "An account with this address is there already: sign in to it, and link the provider in your account."],
  ["unavailable", "The provider cannot be reached. Please try again later."],
]);

/**
 * Fills a list with a link for each, which comes back to this page.
 * @param {HTMLElement} place @param {readonly Provider[]} providers
 */
export function offerProviders(place, providers) {
  place.hidden = providers.length === 0;
  place.replaceChildren(
    ...providers.map(({ name, title }) => {
      const query = new URLSearchParams({ next: location.pathname + location.search });
      const link = Object.assign(document.createElement("a"), { className: "button", href: route(`oidc/${name}?${query}`) });
      link.textContent = `Continue with ${title}`;
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
}

/** What a provider's answer left in the address, which is taken out of it. */
export function takeAnswer() {
  const [query, fragment] = [new URLSearchParams(location.search), new URLSearchParams(location.hash.slice(1))];
  const error = query.get("sign_in_error");
  const pending = fragment.get("sign_in") === "second_factor" ? fragment.get("pending") : null;
  query.delete("sign_in_error");
  const search = query.size === 0 ? "" : `?${query}`;
  if (error !== null || pending !== null) history.replaceState(null, "", location.pathname + search);
  return {
    error: error === null ? "" : (ERRORS.get(error) ?? "The login at the provider failed. Please try again."),
    pending,
    methods: (fragment.get("methods") ?? "").split(" "),
  };
}
