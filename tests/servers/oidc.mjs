// An OpenID provider for tests: panva's `oidc-provider` with the login and consent pages that it brings along. Added here are
// a password, which those pages do not check, and an API that wants a token of the provider's. It listens on a port that the
// system chooses, prints it, and ends with its standard input.
import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { PROBED_USER, PROBED_PASSWORD, PROBED_CLIENT, PROBED_CLIENT_SECRET } = process.env;

process.stdin.on("end", () => process.exit(0)).resume();

let handle;
const server = createServer((request, response) => handle(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
// The provider must know its own address, and with it the port.
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: PROBED_CLIENT,
      client_secret: PROBED_CLIENT_SECRET,
      redirect_uris: [`${issuer}/probe-callback`],
      grant_types: ["authorization_code", "client_credentials"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  cookies: { keys: ["for tests on loopback only"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  findAccount: (_, id) =>
    id === PROBED_USER
      ? { accountId: id, claims: () => ({ sub: id, email: "ada@example.test", email_verified: true }) }
      : undefined,
  pkce: { required: () => true },
});

// The login page takes any password; this site has one.
provider.use(async (ctx, next) => {
  if (ctx.method !== "POST" || !ctx.path.startsWith("/interaction/")) return next();
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
  if (form.prompt === "login" && (form.login !== PROBED_USER || form.password !== PROBED_PASSWORD)) {
    ctx.type = "html";
    ctx.body = '<p class="error">No such user, or another password.</p>';
    return undefined;
  }
  ctx.req.body = form;
  return next();
});

// An API behind the provider: it asks the provider's own store about the token.
provider.use(async (ctx, next) => {
  if (ctx.path !== "/api/me") return next();
  const token = ctx.get("authorization").replace(/^Bearer /, "");
  const found = token && (await provider.ClientCredentials.find(token));
  if (!found) {
    ctx.status = 401;
    ctx.set("www-authenticate", "Bearer");
    ctx.body = { error: "invalid_token" };
    return undefined;
  }
  ctx.body = { client: found.clientId };
  return undefined;
});

handle = provider.callback();
console.log(server.address().port);
