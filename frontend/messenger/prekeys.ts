/**
 * One-time prekeys of OMEMO (XEP-0384) that whoever gets them can use.
 *
 * Converse.js 14 numbers its hundred prekeys from 0, and its cryptographic library takes 0 for "none was used": a
 * session that begins with that one has other secrets at its two ends, so that the first message, one in a hundred,
 * can be read by nobody (conversejs/converse.js issue 4167). Here the page keeps its key 0 to itself, and chooses
 * another one from a device elsewhere that hands one out. Decided against: to number the keys otherwise, since Converse.js
 * publishes their places in its list for their numbers.
 */

import converse, { type Builder, type Device, type Shared } from "converse";

const BUNDLES = /^(?:eu\.siacs\.conversations\.axolotl\.bundles:|urn:xmpp:omemo:2:bundles$)/;
const UNUSABLE = "pk[id='0'], preKeyPublic[preKeyId='0']";

/** Leave out of an item that is about to be published the key that cannot be used. */
function withoutUnusable(item: Builder): Element {
  const element = item.tree();
  for (const key of element.querySelectorAll(UNUSABLE)) key.remove();
  return element;
}

/** Choose only among the keys of a device that can be used, if it has any. */
export function chooseUsable(device: Pick<Device, "getRandomPreKey" | "get">): void {
  const choose = device.getRandomPreKey;
  device.getRandomPreKey = function (this: Device) {
    const usable = this.get<{ prekeys: { id: number }[] }>("bundle")?.prekeys.filter(({ id }) => id !== 0) ?? [];
    return usable[Math.floor(Math.random() * usable.length)] ?? choose.call(this);
  };
}

export function avoidUnusablePrekeys(shared: Shared): void {
  const { pubsub } = shared.api;
  const publish = pubsub.publish.bind(pubsub);
  pubsub.publish = (jid, node, item, ...options) => {
    const isBundle = BUNDLES.test(node);
    const kept = isBundle ? converse.env.Stanza.unsafeXML(withoutUnusable(item as Builder).outerHTML) : item;
    return publish(jid, node, kept, ...options);
  };
  chooseUsable(shared.exports.Device.prototype);
}
