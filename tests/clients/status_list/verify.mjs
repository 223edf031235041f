// A verifier in JavaScript, as the page has it: the token by the issuer's keys, its session by the status list.
import { getListFromStatusListJWT, getStatusListFromJWT } from "@sd-jwt/jwt-status-list";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience, jwks] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(jwks));

async function verify(token) {
  const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
  const { idx, uri } = getStatusListFromJWT(token);
  const answer = await fetch(uri, { headers: { Accept: "application/statuslist+jwt" } });
  const list = await answer.text();
  const type = answer.headers.get("content-type");
  await jwtVerify(list, keys, { issuer, subject: uri, typ: "statuslist+jwt", requiredClaims: ["exp"] });
  return { sub: payload.sub, status: getListFromStatusListJWT(list).getStatus(idx), type };
}

let input = "";
for await (const piece of process.stdin) input += piece;
console.log(JSON.stringify(await Promise.all(JSON.parse(input).map(verify))));
