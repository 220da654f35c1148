// A certified OpenID provider as issuer: client credentials give JWTs for the audience datastorage.
// Usage: node server.js PORT FILE   FILE: {"keys": [...], "groups": {CLIENT: [...]}}, keys as private JWKs, first signs.
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const { keys, groups } = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const issuer = `http://127.0.0.1:${port}`;
const resource = 'https://datastorage.example';
const provider = new Provider(issuer, {
  jwks: { keys },
  clients: Object.keys(groups).map((name) => ({
    client_id: name,
    client_secret: 'secret',
    id_token_signed_response_alg: 'ES256',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: 'audit:write audit:read',
        audience: 'datastorage',
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (ctx, token) => ({ groups: groups[token.clientId] }),
});
provider.listen(port, '127.0.0.1', () => console.log(`ready at ${issuer}`));
