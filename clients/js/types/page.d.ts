/**
 * @param {{onReturn: () => void, onThaw: () => void}} calls `onReturn`: seen or hidden, or online again; `onThaw`: out of
 *   the back/forward cache, where a page misses everything
 */
export function followPage({ onReturn, onThaw }: {
    onReturn: () => void;
    onThaw: () => void;
}): void;
/**
 * The URL of the auth routes, without a slash at its end.
 * @param {string | URL} base @returns {string} as it was given: a path keeps its meaning on every page of the origin
 * @throws {TypeError} neither a path from the root nor an http or https URL; never a guess
 */
export function readBase(base: string | URL): string;
/** @param {string} text @returns {string} @throws {TypeError} not an exact origin */
export function readOrigin(text: string): string;
export function isHidden(): boolean;
