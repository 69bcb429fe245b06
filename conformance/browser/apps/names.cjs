// Leads the providers' names to the server under test, as a hosts file would;
// since tests do not own port 443, it leads the port too.
const net = require("node:net");
const { NAMES_HOST, NAMES_PORT } = process.env;
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options && /\.stripe\.com$/.test(options.host) && Number(options.port) === 443) {
    options.host = NAMES_HOST;
    options.port = NAMES_PORT;
  }
  return connect.apply(this, args);
};
