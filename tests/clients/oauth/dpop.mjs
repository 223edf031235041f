// DPoP by two libraries as their READMEs have it: oauth4webapi asks again itself, openid-client does it alone.
import * as oauth from "oauth4webapi";
import * as client from "openid-client";

const { issuer, resource, report, gateway, username, password } = JSON.parse(process.env.SCENE);
const insecure = { [oauth.allowInsecureRequests]: true };
const live = new URL(`${resource}/auth/live`);

// oauth4webapi
const as = await oauth.processDiscoveryResponse(
  new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure }),
);
const app = { client_id: "my-app" };
const pair = await oauth.generateKeyPair("ES256");
const DPoP = oauth.DPoP(app, pair);
const asked = [];

async function withNonce(what, ask, read) {
  try {
    return await read(await ask());
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    asked.push(what);
    return read(await ask());
  }
}

const user = await withNonce(
  "login",
  () => oauth.genericTokenEndpointRequest(
    as, app, oauth.None(), "password", new URLSearchParams({ username, password }), { DPoP, ...insecure },
  ),
  (answer) => oauth.processGenericTokenEndpointResponse(as, app, answer),
);
const refreshed = await withNonce(
  "refresh",
  () => oauth.refreshTokenGrantRequest(as, app, oauth.None(), user.refresh_token, { DPoP, ...insecure }),
  (answer) => oauth.processRefreshTokenResponse(as, app, answer),
);
const mine = await withNonce(
  "use",
  () => oauth.protectedResourceRequest(refreshed.access_token, "GET", live, undefined, undefined, { DPoP, ...insecure }),
  (answer) => answer,
);
const bearer = await oauth
  .protectedResourceRequest(refreshed.access_token, "GET", live, undefined, undefined, insecure)
  .catch((error) => [error.cause[0].scheme, error.cause[0].parameters.error]);
const thief = oauth.DPoP(app, await oauth.generateKeyPair("ES256"));
const stolen = await oauth
  .protectedResourceRequest(refreshed.access_token, "GET", live, undefined, undefined, { DPoP: thief, ...insecure })
  .catch((error) => [error.cause[0].scheme, error.cause[0].parameters.error]);
const request = new Request(live, {
  headers: { authorization: `DPoP ${refreshed.access_token}`, dpop: await proof(refreshed.access_token) },
});
const validated = await oauth.validateJwtAccessToken(as, request, resource, insecure);

async function proof(token) {
  let sent;
  await oauth.protectedResourceRequest(token, "GET", live, undefined, undefined, {
    DPoP, ...insecure,
    [oauth.customFetch]: async (_, init) => {
      sent = new Headers(init.headers).get("dpop");
      return new Response();
    },
  });
  return sent;
}

const service = { client_id: gateway.client_id };
const introspected = await oauth.processIntrospectionResponse(as, service, await oauth.introspectionRequest(
  as, service, oauth.ClientSecretPost(gateway.client_secret), refreshed.access_token, insecure,
));

// openid-client
const machine = await client.discovery(
  new URL(issuer), report.client_id, undefined, client.ClientSecretBasic(report.client_secret),
  { algorithm: "oauth2", execute: [client.allowInsecureRequests] },
);
const handle = client.getDPoPHandle(machine, await client.randomDPoPKeyPair("Ed25519"));
const own = await client.clientCredentialsGrant(machine, {}, { DPoP: handle });
const used = await client.fetchProtectedResource(machine, own.access_token, live, "GET", undefined, undefined, {
  DPoP: handle,
});

console.log(JSON.stringify({
  supported: as.dpop_signing_alg_values_supported.includes("ES256"), asked, type: refreshed.token_type, mine: mine.status,
  bearer, stolen, validated: validated.cnf.jkt === introspected.cnf.jkt, introspected: introspected.token_type,
  own: own.token_type, used: used.status,
}));
