// Publishes on one broker and listens on another: a foreign client on each side of the gateway.
//
// usage: node client.js PUBLISH_URL SUBSCRIBE_URL PROTOCOL_VERSION COUNT TOPIC_PREFIX
// Publishes COUNT messages at QoS 0, 1 and 2 in turn, and prints what arrived as one JSON array of
// [topic, payload in hex, QoS, user properties] in the order of arrival.
"use strict";

const mqtt = require("mqtt");

const [publishUrl, subscribeUrl, versionText, countText, prefix] = process.argv.slice(2);
const protocolVersion = Number(versionText);
const count = Number(countText);

function giveUp(what) {
  return (error) => {
    console.error(`${what}: ${error}`);
    process.exit(1);
  };
}

// Numbers, then bytes that are no text in any encoding.
function payloadOf(number) {
  return Buffer.concat([Buffer.from(`${number}:`), Buffer.from([0, 255, 254, number % 256])]);
}

async function main() {
  const options = { protocolVersion, reconnectPeriod: 0, connectTimeout: 10000 };
  const listener = await mqtt.connectAsync(subscribeUrl, options);
  const arrived = [];
  const done = new Promise((resolve) => {
    listener.on("message", (topic, payload, packet) => {
      const told = (packet.properties && packet.properties.userProperties) || {};
      arrived.push([topic, payload.toString("hex"), packet.qos, { ...told }]);
      if (arrived.length === count) resolve();
    });
  });
  listener.on("error", giveUp("subscriber"));
  await listener.subscribeAsync(`${prefix}/#`, { qos: 2 });

  const publisher = await mqtt.connectAsync(publishUrl, options);
  publisher.on("error", giveUp("publisher"));
  for (let number = 0; number < count; number += 1) {
    await publisher.publishAsync(`${prefix}/${number % 7}`, payloadOf(number), { qos: number % 3 });
  }
  await done;
  await publisher.endAsync();
  await listener.endAsync();
  console.log(JSON.stringify(arrived));
}

main().catch(giveUp("client"));
