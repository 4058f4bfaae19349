// SPDX-License-Identifier: Apache-2.0

// Prints how many RS256 signatures with 2048 bits Node makes in a second on one thread.
import { generateKeyPairSync, sign } from 'node:crypto'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const message = Buffer.alloc(600, 'a')
const start = process.hrtime.bigint()
let n = 0
while (process.hrtime.bigint() - start < 1_000_000_000n) {
  sign('sha256', message, privateKey)
  n++
}
console.log(n / (Number(process.hrtime.bigint() - start) / 1e9))
