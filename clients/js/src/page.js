// @ts-check
/**
 * What surrounds a tab: whether it can be seen, when it comes back, and the other tabs of this origin.
 *
 * Nothing here is touched at import: a server that renders pages has none of these.
 */

/** Whether nobody looks at this tab. A worker has no document, and is as good as seen. */
export const isHidden = () => typeof document !== "undefined" && document.hidden;

/**
 * @param {{onReturn: () => void, onThaw: () => void}} calls `onReturn`: seen or hidden, or online again; `onThaw`: out of
 *   the back/forward cache, where a page misses everything
 */
export function followPage({ onReturn, onThaw }) {
  globalThis.document?.addEventListener("visibilitychange", onReturn);
  addEventListener("online", onReturn);
  addEventListener("pageshow", ({ persisted }) => persisted && onThaw());
}

/**
 * The URL of the auth routes, without a slash at its end.
 * @param {string | URL} base @returns {string} as it was given: a path keeps its meaning on every page of the origin
 * @throws {TypeError} neither a path from the root nor an http or https URL; never a guess
 */
export function readBase(base) {
  const text = String(base ?? "");
  const isPath = /^\/(?![/\\])/.test(text);
  const parsed = parse(text, isPath ? "https://page.invalid" : undefined);
  const isFit = parsed !== null && /^https?:$/.test(parsed.protocol) && (isPath || /^https?:\/\//i.test(text));
  if (!isFit || parsed.username || parsed.password || parsed.search || parsed.hash) {
    throw new TypeError("base: want the path or URL of the auth routes, such as '/auth' or 'https://auth.example/auth'");
  }
  return (isPath ? parsed.pathname : parsed.href).replace(/\/+$/, "");
}

/** @param {string} text @param {string} [from] */
function parse(text, from) {
  try {
    return new URL(text, from);
  } catch {
    return null;
  }
}

/** @param {string} text @returns {string} @throws {TypeError} not an exact origin */
export function readOrigin(text) {
  const parsed = parse(text);
  if (parsed === null || parsed.origin !== text) {
    throw new TypeError("origins: want exact origins, such as 'https://api.example.com'");
  }
  return text;
}
