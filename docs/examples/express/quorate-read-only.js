// Read-only mode for an Express site, as Quorate asks for it (docs/standby.md).
//
//   const { readOnly } = require("./quorate-read-only");
//   app.use(readOnly({
//     key: process.env.QUORATE_KEY,               // the secret that read_only.key names
//     state: "/var/lib/shop/read-only.json",      // one file for all processes of the site; survives a restart
//     starts: true,                               // read-only while there is no such file: true on the standby
//     allow: ["/login", "/logout"],               // what is posted to log in and out
//     probe: () => db.transaction(async (t) => { await t.insert("notes", …); await t.rollback(); }),
//     isReadOnly: (error) => error.code === "25006" || error.errno === 1290,
//   }));
//
// before every other middleware, body parsers among them: the signature is over the bytes as they came. Keep sessions in signed cookies, and
// write nothing at a login.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");

const PREFIX = "/quorate/";
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
// A signature that is older than this may have been recorded.
const CLOCKS_APART_S = 300;
const LONGEST_BODY = 64 * 1024;

function readOnly({ key, state: file, starts, allow = [], probe, isReadOnly = () => false }) {
  const state = () => {
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"));
    } catch (error) {
      if (error.code === "ENOENT") return { read_only: starts, epoch: 0 };
      throw error;
    }
  };
  // Replaces the file whole: no other process sees half of it, and a crash leaves the old one.
  const keep = (next) => {
    const own = `${file}.${process.pid}`;
    const descriptor = fs.openSync(own, "w");
    fs.writeSync(descriptor, JSON.stringify(next));
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    fs.renameSync(own, file);
  };
  const refused = (response) => response.status(503).set("Retry-After", "120").json({ error: "read-only" });

  const body = (request) =>
    new Promise((resolve, reject) => {
      const chunks = [];
      let length = 0;
      request.on("data", (chunk) => {
        length += chunk.length;
        if (length > LONGEST_BODY) reject(new Error("a body that long is none of Quorate's"));
        else chunks.push(chunk);
      });
      request.on("end", () => resolve(Buffer.concat(chunks)));
      request.on("error", reject);
    });

  const signed = (request, bytes) => {
    const timestamp = request.get("x-quorate-timestamp") ?? "";
    if (!/^\d{1,15}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > CLOCKS_APART_S) return "timestamp";
    const mac = crypto.createHmac("sha256", key).update(`${request.method}\n${request.originalUrl}\n${timestamp}\n`);
    const wanted = Buffer.from(`v1=${mac.update(bytes).digest("hex")}`);
    const given = Buffer.from(request.get("x-quorate-signature") ?? "");
    return wanted.length === given.length && crypto.timingSafeEqual(wanted, given) ? null : "signature";
  };

  async function asked(request, response) {
    const bytes = await body(request);
    const wrong = signed(request, bytes);
    if (wrong) return response.status(401).json({ error: wrong });
    if (request.method !== "POST") return response.status(405).json({ error: "method" });
    if (request.path === `${PREFIX}read-only`) {
      const { epoch, read_only } = JSON.parse(bytes);
      const { epoch: seen } = state();
      if (epoch < seen) return response.status(409).json({ error: "stale-epoch", seen });
      keep({ read_only, epoch });
      return response.json({ read_only });
    }
    if (request.path === `${PREFIX}write-probe`) {
      // The same way as a user's write: the mode first, then the database.
      if (state().read_only) return refused(response);
      try {
        await probe();
      } catch (error) {
        if (isReadOnly(error)) return refused(response);
        throw error;
      }
      return response.json({ written: true });
    }
    return response.status(404).json({ error: "path" });
  }

  return (request, response, next) => {
    if (request.path.startsWith(PREFIX)) return asked(request, response).catch(next);
    if (!SAFE.has(request.method) && !allow.includes(request.path) && state().read_only) return refused(response);
    return next();
  };
}

module.exports = { readOnly };
