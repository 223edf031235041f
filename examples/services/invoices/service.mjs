// Invoices, in JavaScript, by libraries alone: access tokens by jose, the sessions that have ended by the status list.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { StatusList } from "./status_list.mjs";

const { AUTH: auth, ISSUER: issuer, INVOICES_PORT: port } = process.env;
const keys = createRemoteJWKSet(new URL(`${auth}/.well-known/jwks.json`));
const policy = { issuer, audience: issuer, typ: "at+jwt", algorithms: ["ES256"], requiredClaims: ["sub", "status", "exp"] };
const list = new StatusList(`${auth}/status-list`, issuer, keys);

// Status and claims: who asks, and whether they may.
async function authenticate(request, scope) {
  const token = /^Bearer ([^ ]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const verified = token && (await jwtVerify(token, keys, policy).catch(() => null)); // the token first, then its list
  if (!verified) return [401];
  const ended = await list.hasEnded(verified.payload).catch((error) => console.error("invoices:", error.message));
  if (ended === undefined) return [503]; // not known is not allowed, and logs nobody out
  if (ended) return [401];
  return (verified.payload.scope ?? "").split(" ").includes(scope) ? [200, verified.payload] : [403];
}

const server = createServer(async (request, response) => {
  const [status, claims] = await authenticate(request, "invoices:read");
  if (status === 401) response.setHeader("WWW-Authenticate", "Bearer");
  if (status === 503) response.setHeader("Retry-After", "1");
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(claims ? JSON.stringify({ "invoices of": claims.sub }) : undefined);
});
server.listen(Number(port), "127.0.0.1");
