// SPDX-License-Identifier: Apache-2.0

// Serves panva's oidc-provider on a loopback port with a fresh RSA key. Its login and consent are answered at once, by the
// hooks it has for that, so that it does no more per login than a mock has to.
import { generateKeyPair } from 'node:crypto'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import Provider from 'oidc-provider'

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2)
const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri], token_endpoint_auth_method: 'client_secret_post' }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['a key that signs cookies of a benchmark'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  features: { devInteractions: { enabled: false } },
  conformIdTokenClaims: false,
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid email')
    await grant.save()
    return grant
  },
})

const handle = provider.callback()
createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    handle(request, response)
    return
  }
  await provider.interactionFinished(request, response, { login: { accountId: 'alice' } })
}).listen(Number(port), '127.0.0.1')
