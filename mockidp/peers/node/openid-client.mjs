// SPDX-License-Identifier: Apache-2.0

// Logs in with panva's openid-client, does whatever else it can do at the provider, and prints one line of JSON:
// {"ok":true} or {"ok":false,"error":"..."}. It is the relying party and its browser in one.
import * as client from 'openid-client'

const [issuer, clientId, clientSecret, redirectUri, postLogoutRedirectUri] = process.argv.slice(2)

try {
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, { execute: [client.allowInsecureRequests] })
  const jar = new Map()
  const tokens = await login(config, jar, client.buildAuthorizationUrl)
  const { sub } = tokens.claims()
  const info = await client.fetchUserInfo(config, tokens.access_token, sub)
  if (info.email !== 'alice@example.com') throw new Error('userinfo is about somebody else')

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  if (!(await client.tokenIntrospection(config, refreshed.access_token)).active) throw new Error('a fresh token is not active')
  await client.tokenRevocation(config, refreshed.access_token)
  if ((await client.tokenIntrospection(config, refreshed.access_token)).active) throw new Error('a revoked token is active')

  await login(config, jar, client.buildAuthorizationUrlWithPAR)
  const device = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
  if (!device.user_code) throw new Error('there is no code for the device')

  const end = client.buildEndSessionUrl(config, { id_token_hint: refreshed.id_token, post_logout_redirect_uri: postLogoutRedirectUri, state: 'bye' })
  const back = await visit(end, jar)
  if (back.href !== `${postLogoutRedirectUri}?state=bye`) throw new Error('logout does not lead back')
  console.log(JSON.stringify({ ok: true }))
} catch (error) {
  console.log(JSON.stringify({ ok: false, error: `${error.code ?? error.name}: ${error.cause?.message ?? error.message}` }))
}

// login is an authorization code flow with PKCE, state and nonce.
async function login(config, jar, buildUrl) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const url = await buildUrl(config, {
    redirect_uri: redirectUri, scope: 'openid email offline_access', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const back = await visit(url, jar)
  return client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
}

// visit asks for a page that redirects, as a browser does, and returns where to.
async function visit(url, jar) {
  const answer = await fetch(url, { redirect: 'manual', headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') } })
  for (const cookie of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
    jar.set(name, value)
  }
  const location = answer.headers.get('location')
  if (!location) throw new Error(`${url.pathname} answered ${answer.status} without a redirect`)
  return new URL(location, url)
}
