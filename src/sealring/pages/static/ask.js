// @ts-check
/**
 * Requests to the auth routes with a JSON body; what refuses is thrown, so that a form shows it.
 */

import { fetch, Problem } from "../client.js";
import { route } from "./place.js";

/**
 * @param {string} method @param {string} path below the auth routes @param {object} [body]
 * @returns {Promise<Response>} a success @throws {Problem | TypeError}
 */
export async function ask(method, path, body) {
  /** @type {RequestInit} */
  const init = { method, cache: "no-store" };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(route(path), init);
  if (!answer.ok) throw await Problem.of(answer);
  return answer;
}
