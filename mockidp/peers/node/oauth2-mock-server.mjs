// SPDX-License-Identifier: Apache-2.0

// Serves axa-group's oauth2-mock-server on a loopback port with a fresh RSA key. It takes any client.
import { OAuth2Server } from 'oauth2-mock-server'

const [port] = process.argv.slice(2)
const server = new OAuth2Server()
await server.issuer.keys.generate('RS256')
await server.start(Number(port), '127.0.0.1')
server.issuer.url = `http://127.0.0.1:${port}`
