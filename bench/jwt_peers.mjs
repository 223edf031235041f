// The Node peers, one process for the whole run: a line of JSON in (what to do, with which tokens), the
// microseconds of each operation out. The Python side decides the order, so that all contenders take turns.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { createPrivateKey, createPublicKey, createSecretKey } from "node:crypto";

const require = createRequire(`${process.argv[2]}/`);
const { createVerifier, createSigner } = require("fast-jwt");
const jsonwebtoken = require("jsonwebtoken");

const issuer = "https://auth.example.com";
const audience = "orders-api";
const work = {};

function prepare({ alg, secret, publicPem, privatePem }) {
  const algorithm = alg === "Ed25519" ? "EdDSA" : alg;
  const options = { algorithms: [algorithm], allowedIss: issuer, allowedAud: audience };
  const key = secret ? Buffer.from(secret) : publicPem;
  const anew = createVerifier({ key, cache: false, ...options });
  const cached = createVerifier({ key, cache: true, ...options });
  const check = { algorithms: [algorithm], issuer, audience };
  work[`fast-jwt ${alg} anew`] = anew;
  work[`fast-jwt ${alg} cached`] = cached;
  if (alg !== "Ed25519") {
    const object = secret ? createSecretKey(key) : createPublicKey(publicPem);
    const text = secret ? secret : publicPem;
    work[`jsonwebtoken (KeyObject) ${alg} anew`] = (token) => jsonwebtoken.verify(token, object, check);
    work[`jsonwebtoken (text) ${alg} anew`] = (token) => jsonwebtoken.verify(token, text, check);
    const signing = secret ? object : createPrivateKey(privatePem);
    work[`jsonwebtoken (KeyObject) ${alg} sign`] = (claims) => jsonwebtoken.sign(claims, signing, { algorithm: alg });
  }
  work[`fast-jwt ${alg} sign`] = createSigner({ key: secret ? key : privatePem, algorithm });
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  if (task.prepare) {
    prepare(task.prepare);
    console.log("0");
    continue;
  }
  const run = work[task.run];
  const inputs = task.inputs.map((input) => (typeof input === "string" ? Buffer.from(input).toString() : input));
  const began = process.cpuUsage();
  for (const input of inputs) run(input);
  const { user, system } = process.cpuUsage(began);
  console.log(String((user + system) / inputs.length));
}
