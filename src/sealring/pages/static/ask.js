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
  const answer = await fetch(route(path), request(method, body));
  if (!answer.ok) throw await Problem.of(answer);
  return answer;
}

/** @param {string} method @param {object} [body] @returns {RequestInit} */
export function request(method, body) {
  if (body === undefined) return { method };
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
