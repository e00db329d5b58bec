// A relying system on openid-client: one JSON order per line on stdin, one JSON answer per line on stdout.
import { createInterface } from "node:readline";
import * as oidc from "openid-client";

let config;
let checks;
let redirectUri;

function secured(made) {
  oidc.enableNonRepudiationChecks(made); // ID token signatures are verified, not only trusted for their channel
  return made;
}

const relaxed = { execute: [oidc.allowInsecureRequests] }; // plain http on the loopback

const orders = {
  async discover({ issuer, clientId, secret, alg }) {
    const metadata = { id_token_signed_response_alg: alg };
    const login = secret ? oidc.ClientSecretBasic(secret) : oidc.None();
    config = secured(await oidc.discovery(new URL(issuer), clientId, metadata, login, relaxed));
    return config.serverMetadata();
  },

  async register({ issuer, invitation, metadata }) {
    const options = { ...relaxed, initialAccessToken: invitation };
    config = secured(await oidc.dynamicClientRegistration(new URL(issuer), metadata, undefined, options));
    return config.clientMetadata();
  },

  async start({ callback, scope, ...more }) {
    redirectUri = callback;
    checks = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
      idTokenExpected: true,
    };
    return oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope,
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: "S256",
      ...more,
    }).href;
  },

  async finish({ url, posted, ...otherwise }) {
    const arrived = posted
      ? new Request(redirectUri, { method: "POST", body: new URLSearchParams(posted) })
      : new URL(url);
    return told(await oidc.authorizationCodeGrant(config, arrived, { ...checks, ...otherwise }));
  },

  async refresh({ token }) {
    return told(await oidc.refreshTokenGrant(config, token));
  },

  userinfo: ({ token, sub }) => oidc.fetchUserInfo(config, token, sub),
  clientCredentials: () => oidc.clientCredentialsGrant(config),
  introspect: ({ token }) => oidc.tokenIntrospection(config, token),
  revoke: async ({ token }) => (await oidc.tokenRevocation(config, token)) ?? null,
  async signOut(parameters) {
    return oidc.buildEndSessionUrl(config, parameters).href;
  },
};

function told(tokens) {
  return { ...tokens, claims: tokens.claims() ?? null };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = { done: await orders[order](parameters) };
  } catch (refusal) {
    const said = [refusal, refusal.cause].filter(Boolean);
    answer = { refused: said.map(({ code, error, message, cause }) => ({ code, error, message, cause })) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
