// oauth4webapi: as strict as the RFCs. From the URL of the API alone to a token that the API lets in.
import * as oauth from "oauth4webapi";

const { resource, report, gateway, username, password } = JSON.parse(process.env.SCENE);
const insecure = { [oauth.allowInsecureRequests]: true };

// RFC 9728: the challenge of the API names its metadata, which names the issuer
const me = new URL(`${resource}/auth/live`);
const challenge = await oauth
  .protectedResourceRequest("x.y.z", "GET", me, undefined, undefined, insecure)
  .catch((error) => error.cause[0]);
const api = await oauth.processResourceDiscoveryResponse(
  new URL(resource), await oauth.resourceDiscoveryRequest(new URL(resource), insecure),
);

// RFC 8414
const issuer = new URL(api.authorization_servers[0]);
const as = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
);

const machine = { client_id: report.client_id };
const basic = oauth.ClientSecretBasic(report.client_secret);
const own = await oauth.processClientCredentialsResponse(as, machine, await oauth.clientCredentialsGrantRequest(
  as, machine, basic, new URLSearchParams({ scope: "orders:read", resource: api.resource }), insecure,
));
const live = await oauth.protectedResourceRequest(own.access_token, "GET", me, undefined, undefined, insecure);

// RFC 9068: a resource server in JavaScript verifies the token by the published keys
const request = new Request(me, { headers: { authorization: `Bearer ${own.access_token}` } });
const verified = await oauth.validateJwtAccessToken(as, request, api.resource, insecure);

const service = { client_id: gateway.client_id };
const introspect = async (token) => oauth.processIntrospectionResponse(as, service, await oauth.introspectionRequest(
  as, service, oauth.ClientSecretPost(gateway.client_secret), token, insecure,
));
const before = await introspect(own.access_token);
// RFC 9701: the same, signed
const answered = await oauth.introspectionRequest(
  as, service, oauth.ClientSecretPost(gateway.client_secret), own.access_token,
  { requestJwtResponse: true, ...insecure },
);
const signed = await oauth.processIntrospectionResponse(as, service, answered);
await oauth.validateApplicationLevelSignature(as, answered, insecure);
await oauth.processRevocationResponse(await oauth.revocationRequest(as, machine, basic, own.access_token, insecure));
const after = await introspect(own.access_token);

const app = { client_id: "my-app" };
const user = await oauth.processGenericTokenEndpointResponse(as, app, await oauth.genericTokenEndpointRequest(
  as, app, oauth.None(), "password", new URLSearchParams({ username, password }), insecure,
));
const refreshed = await oauth.processRefreshTokenResponse(as, app, await oauth.refreshTokenGrantRequest(
  as, app, oauth.None(), user.refresh_token, insecure,
));
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, app, oauth.None(), refreshed.refresh_token, insecure),
);
const ended = await introspect(refreshed.access_token);

console.log(JSON.stringify({
  pointer: challenge.parameters.resource_metadata, error: challenge.parameters.error, issuer: as.issuer,
  scope: own.scope, live: live.status, verified: verified.client_id === verified.sub,
  before: before.active, signed: signed.client_id, client: before.client_id, after, ended,
}));
