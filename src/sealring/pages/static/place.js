// @ts-check
/**
 * Where things are: the auth routes, one folder above these modules; and where a page leads when its work is done.
 */

/** The URL of an auth route. @param {string} path such as "sessions" */
export const route = (path) => new URL(`../${path}`, import.meta.url).href;

/** The URL of one of our pages, that leads to where this one does. @param {string} name */
export function pageWithNext(name) {
  const next = new URLSearchParams(location.search).get("next");
  return next === null ? name : `${name}?${new URLSearchParams({ next })}`;
}

/**
 * Where `?next=` leads: a path of this origin, as the browser itself reads it. Anything else would make our login the
 * start of somebody else's page (open redirect), so it counts as nothing. So does one of our own login pages: it would
 * lead to itself.
 * @param {string} search @param {{origin: string, folder: string, home: string}} here
 * @returns {string}
 */
export function nextPlace(search, { origin, folder, home }) {
  const next = new URLSearchParams(search).get("next");
  if (next === null || !/^\/(?![/\\])/.test(next)) return home;
  const url = URL.canParse(next, origin) ? new URL(next, origin) : null;
  if (url === null || url.origin !== origin) return home;
  if (url.pathname.startsWith(folder) && url.pathname !== `${folder}account`) return home;
  return url.pathname + url.search + url.hash;
}

/** Goes there; the page of the login does not stay in the history. */
export function goOn() {
  const folder = new URL("./", import.meta.url).pathname;
  const home = document.body.dataset["home"] ?? "/";
  location.replace(nextPlace(location.search, { origin: location.origin, folder, home }));
}
