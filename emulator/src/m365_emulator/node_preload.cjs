// Stand-in mode for Node before 22.21, which has no NODE_USE_ENV_PROXY: `node --require` loads this file
// first, and from then on fetch and https reach every host through the CONNECT proxy that HTTPS_PROXY names.
// Clients that bring a proxy agent of their own are left alone. Needs nothing but Node's own modules.
"use strict";

const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const tls = require("node:tls");

const CONNECT_MILLISECONDS = 10_000;
const DISPATCHER = Symbol.for("undici.globalDispatcher.1"); // where undici and every copy of it keep their agent

function proxyAddress() {
  const text = process.env.HTTPS_PROXY || process.env.https_proxy;
  return text ? new URL(text) : null;
}

// Source: the `NODE_USE_ENV_PROXY` entry of Node's command-line documentation (added in 24.0 and 22.21).
function knowsProxies() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  return major >= 24 || (major === 22 && minor >= 21);
}

// Calls back once, with an error or with a socket on which TLS to the named host is up.
function tunnel(proxy, options, callback) {
  const host = options.hostname || options.host;
  const port = options.port || 443;
  const request = http.request({
    host: proxy.hostname,
    port: proxy.port || 80,
    method: "CONNECT",
    path: `${host}:${port}`,
    headers: { host: `${host}:${port}` },
    agent: false,
    timeout: CONNECT_MILLISECONDS,
  });
  request.once("timeout", () => request.destroy(new Error(`The proxy ${proxy.host} does not answer.`)));
  request.once("error", (error) => callback(error));
  request.once("connect", (answer, socket) => {
    if (answer.statusCode !== 200) {
      socket.destroy();
      callback(new Error(`The proxy answered ${answer.statusCode} for ${host}: it stands in for Microsoft's hosts only.`));
      return;
    }
    socket.setTimeout(0);
    const secure = tls.connect({
      ...options.tls,
      socket,
      servername: options.servername || (net.isIP(host) ? "" : host),
      ALPNProtocols: ["http/1.1"],
    });
    const failed = (error) => callback(error);
    secure.once("error", failed);
    secure.once("secureConnect", () => {
      secure.removeListener("error", failed);
      callback(null, secure);
    });
  });
  request.end();
}

function routeFetch(proxy) {
  if (typeof globalThis.Response !== "function") return; // before Node 18
  void new globalThis.Response(); // Node loads its fetch, and with it the agent, on first use
  const Agent = globalThis[DISPATCHER]?.constructor;
  if (!Agent) return;
  globalThis[DISPATCHER] = new Agent({
    connect(options, callback) {
      if (options.protocol === "https:") {
        tunnel(proxy, options, callback);
        return;
      }
      const socket = net.connect({ host: options.hostname, port: options.port || 80, noDelay: true });
      const failed = (error) => callback(error);
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.removeListener("error", failed);
        callback(null, socket);
      });
    },
  });
}

function routeHttps(proxy) {
  https.globalAgent.createConnection = (options, callback) => {
    tunnel(proxy, { ...options, tls: tlsOptions(options) }, callback);
  };
}

function tlsOptions(options) {
  const kept = {};
  for (const name of ["ca", "cert", "key", "passphrase", "pfx", "rejectUnauthorized", "checkServerIdentity"]) {
    if (options[name] !== undefined) kept[name] = options[name];
  }
  return kept;
}

const proxy = proxyAddress();
if (proxy && !knowsProxies()) {
  routeFetch(proxy);
  routeHttps(proxy);
}
