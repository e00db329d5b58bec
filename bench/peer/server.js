// The peer: node-oidc-provider doing the same work as Yitong on each measured path.
// Same algorithms (ES256, argon2id m=19456 t=2 p=1), PKCE S256, rotation for public clients, consent given beforehand.
import { createServer } from 'node:http';
import { hash, verify } from '@node-rs/argon2';
import Provider from 'oidc-provider';
import { PostgresAdapter, addPerson, createSchema, findLogin, findPerson } from './adapter.js';

const plan = JSON.parse(process.env.PEER_PLAN); // { port, issuer, clients, key, persons: [{ id, login, password, claims }] }
const ARGON2 = { algorithm: 2, memoryCost: 19456, timeCost: 2, parallelism: 1 };

await createSchema();
for (const person of plan.persons) {
  await addPerson(person.id, person.login, await hash(person.password, ARGON2), person.claims);
}

const provider = new Provider(plan.issuer, {
  adapter: PostgresAdapter,
  clients: plan.clients,
  jwks: { keys: [plan.key] },
  claims: { openid: ['sub', 'acr', 'amr'], profile: ['name', 'birthdate', 'gender'], phone: ['phone_number'] },
  scopes: ['openid', 'offline_access', 'profile', 'phone'],
  cookies: { keys: ['bench-only-cookie-key'] },
  pkce: { required: () => true },
  ttl: { AccessToken: 900, AuthorizationCode: 60, ClientCredentials: 900, IdToken: 900, RefreshToken: 86400, Session: 43200, Grant: 86400, Interaction: 600 },
  rotateRefreshToken: (ctx) => ctx.oidc.client.clientAuthMethod === 'none',
  issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  async findAccount(ctx, id) {
    const person = await findPerson(id);
    return person && { accountId: id, claims: () => ({ sub: id, ...person.claims }) };
  },
  async loadExistingGrant(ctx) {
    const { client, session, params } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    await grant.save();
    return grant;
  },
});

const PAGE = (uid) => `<!doctype html><title>Sign in</title><form method="post" action="/interaction/${uid}">
<label>Identifier <input name="identifier"></label><label>Password <input name="password" type="password"></label><button>Sign in</button></form>`;

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
};

async function interaction(request, response) {
  const { uid, prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') return provider.interactionFinished(request, response, { consent: {} });
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    return response.end(PAGE(uid));
  }
  const form = await read(request);
  const person = await findLogin(form.get('identifier'));
  if (!person || !(await verify(person.password, form.get('password')))) {
    response.statusCode = 401;
    return response.end(PAGE(uid));
  }
  return provider.interactionFinished(request, response, { login: { accountId: person.id } });
}

const protocol = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) return protocol(request, response);
  return interaction(request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
});
server.keepAliveTimeout = 60_000;
server.listen(plan.port, '127.0.0.1', () => console.log('ready'));
