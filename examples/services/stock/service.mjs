// Stock, in JavaScript: access tokens by jose, revocations by the issuer's feed. No database, no secret.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { Revocations } from "./revocations.mjs";

const { AUTH: auth, ISSUER: issuer, STOCK_PORT: port } = process.env;
const keys = createRemoteJWKSet(new URL(`${auth}/.well-known/jwks.json`));
const policy = { issuer, audience: issuer, typ: "at+jwt", algorithms: ["ES256"], requiredClaims: ["sub", "sid", "exp"] };
const revocations = new Revocations(auth, issuer, keys);

// Status and claims: who asks, and whether they may.
async function authenticate(request, scope) {
  const token = /^Bearer ([^ ]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) return [401];
  if (!revocations.isFresh) return [503]; // not known is not allowed, and logs nobody out
  const verified = await jwtVerify(token, keys, policy).catch(() => null);
  if (verified === null || revocations.covers(verified.payload, verified.protectedHeader.kid)) return [401];
  return (verified.payload.scope ?? "").split(" ").includes(scope) ? [200, verified.payload] : [403];
}

const server = createServer(async (request, response) => {
  if (request.url === "/readyz") return response.writeHead(revocations.isFresh ? 200 : 503).end();
  const [status, claims] = await authenticate(request, "stock:read");
  if (status === 401) response.setHeader("WWW-Authenticate", "Bearer");
  if (status === 503) response.setHeader("Retry-After", "1");
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(claims ? JSON.stringify({ "stock for": claims.sub }) : undefined);
});
server.listen(Number(port), "127.0.0.1");
await revocations.follow();
