// For --require: every name below sbx.test is this machine, as a name server of the operator's would say.
const dns = require("node:dns");

const lookup = dns.lookup;
dns.lookup = (name, options, callback) => {
  const done = typeof options === "function" ? options : callback;
  const all = typeof options === "object" && options?.all === true;
  if (!name.endsWith(".sbx.test")) return lookup(name, options, callback);
  const answer = { address: "127.0.0.1", family: 4 };
  return process.nextTick(() => (all ? done(null, [answer]) : done(null, answer.address, answer.family)));
};
