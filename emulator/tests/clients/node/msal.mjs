// MSAL for Node as a web server would use it: one JSON line out for each step, the redirect's parameters in on stdin.
import { createInterface } from "node:readline";
import { ConfidentialClientApplication, CryptoProvider } from "@azure/msal-node";

const env = process.env;
const client = new ConfidentialClientApplication({
  auth: {
    clientId: env.CLIENT_ID,
    clientSecret: env.CLIENT_SECRET,
    authority: `${env.LOGIN}/${env.TENANT}`,
    knownAuthorities: [new URL(env.LOGIN).host],
  },
});
const say = (value) => console.log(JSON.stringify(value));

if (process.argv[2] === "client-credentials") {
  const scopes = ["https://graph.microsoft.com/.default"];
  const first = await client.acquireTokenByClientCredential({ scopes });
  const second = await client.acquireTokenByClientCredential({ scopes });
  say({ accessToken: first.accessToken, secondFromCache: second.fromCache });
} else {
  const scopes = env.SCOPES.split(" ");
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const nonce = "node-nonce";
  const redirectUri = env.REDIRECT_URI;
  const url = await client.getAuthCodeUrl({
    scopes, redirectUri, nonce, state: "node-state", prompt: "select_account",
    codeChallenge: challenge, codeChallengeMethod: "S256",
  });
  say({ url });
  const [line] = await new Promise((resolve) => {
    createInterface({ input: process.stdin }).once("line", (text) => resolve([text]));
  });
  const back = JSON.parse(line);
  const result = await client.acquireTokenByCode(
    { scopes, redirectUri, code: back.code, codeVerifier: verifier, state: back.state, nonce },
    { code: back.code, state: back.state, client_info: back.client_info },
  );
  const silent = await client.acquireTokenSilent({ account: result.account, scopes });
  const other = await client.acquireTokenSilent({ account: result.account, scopes: [env.OTHER_SCOPE] });
  say({
    account: result.account.homeAccountId, tenant: result.tenantId, nonce: result.idTokenClaims.nonce,
    silentFromCache: silent.fromCache, otherToken: other.accessToken,
  });
}
process.exit(0);
