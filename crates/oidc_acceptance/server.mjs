// The certified provider `oidc-provider` on a free port of 127.0.0.1, for `scripts/proof oidc`. It prints one line of JSON, what the
// clients need, and runs until it is ended.
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';

import { Provider } from 'oidc-provider';

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const pem = (pair) => pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
const jwk = (pair, extra) => ({ ...pair.publicKey.export({ format: 'jwk' }), ...extra });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const dpop = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const secret = `s3cr&t/${randomBytes(18).toString('base64')}`;

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const api = 'https://api.example';
const confidential = {
  client_secret: secret,
  redirect_uris: [],
  response_types: [],
  scope: 'api:read api:write',
};
const signed = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'], scope: 'api:read api:write' };
const user = {
  redirect_uris: ['https://app.example/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
};

const provider = new Provider(issuer, {
  clients: [
    { ...confidential, client_id: 'post', grant_types: ['client_credentials', EXCHANGE], token_endpoint_auth_method: 'client_secret_post' },
    { ...confidential, client_id: 'basic', grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic' },
    { ...signed, client_id: 'es256', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: { keys: [jwk(ec, { kid: 'ec-1' })] } },
    { ...signed, client_id: 'ps256', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'PS256', jwks: { keys: [jwk(rsa, { kid: 'rsa-1' })] } },
    { ...signed, client_id: 'rs256', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'RS256', jwks: { keys: [jwk(rsa, { kid: 'rsa-1' })] } },
    { ...confidential, client_id: 'dpop', grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_post', dpop_bound_access_tokens: true },
    { ...user, client_id: 'web', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
    { ...user, client_id: 'public', token_endpoint_auth_method: 'none' },
    { ...user, client_id: 'public-dpop', token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true },
  ],
  scopes: ['openid', 'offline_access', 'api:read', 'api:write'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    userinfo: { enabled: true },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      // Other clients send no proof, so nothing is required of them.
      requireNonce: () => true,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({ scope: 'api:read api:write', accessTokenFormat: 'opaque' }),
    },
  },
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  ttl: { ClientCredentials: 600, AccessToken: 600, RefreshToken: 3600, Grant: 3600, Session: 3600 },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  jwks: { keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })].map((key) => ({ ...key, use: 'sig', kid: 'op' })) },
});

// The provider leaves this grant to its user.
provider.registerGrantType(EXCHANGE, async (ctx) => {
  const { subject_token: subject, subject_token_type: type } = ctx.oidc.params;
  if (type !== 'urn:ietf:params:oauth:token-type:access_token' || !(await provider.AccessToken.find(subject))) {
    ctx.status = 400;
    ctx.body = { error: 'invalid_request', error_description: `no such subject token: ${subject}` };
    return;
  }
  const token = new provider.ClientCredentials({ client: ctx.oidc.client, scope: ctx.oidc.params.scope });
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: token.expiration,
  };
}, ['subject_token', 'subject_token_type', 'scope', 'audience'], []);

/** What a user's sign-in in a browser ends with. */
async function signIn(clientId) {
  const client = await provider.Client.find(clientId);
  const grant = new provider.Grant({ accountId: 'ann', clientId });
  grant.addOIDCScope('openid offline_access');
  const shared = { accountId: 'ann', client, grantId: await grant.save(), scope: 'openid offline_access', gty: 'authorization_code', authTime: Math.floor(Date.now() / 1000), sessionUid: randomUUID(), expiresWithSession: false };
  const access = new provider.AccessToken(shared);
  return { refresh: await new provider.RefreshToken(shared).save(), access: await access.save() };
}

server.on('request', async (request, response) => {
  // Not part of the provider: a new sign-in.
  const match = /^\/test\/sign-in\/([a-z-]+)$/.exec(request.url);
  if (!match) return provider.callback()(request, response);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(await signIn(match[1])));
});
provider.on('server_error', (ctx, error) => console.error(error));

console.log(JSON.stringify({ issuer, secret, ec: pem(ec), rsa: pem(rsa), dpop: pem(dpop) }));
