// The landing page of an invitation (XEP-0379 section 3.3): who invites, the link for a chat app, and apps to install.
//
// The link stands behind the # of the page's address, which browsers send to no server.

import { renderSVG } from "./uqr/index.js";

const LINK = /^(?:([^\s"'<>&/:@?;#]+)@)?([^\s"'<>&/@?;#]+)\?(roster|register|join)((?:;(?:preauth|ibr|name)=[\w.~%+-]*)+)$/u;

// Returns what a fragment invites to, or null when it is no invitation.
export function readInvitation(fragment) {
  const found = LINK.exec(fragment.replace(/^#/, ""));
  if (!found || !/;preauth=\w/.test(found[4])) return null;
  const [text, local, domain, action] = found;
  let address;
  try {
    address = decodeURIComponent(local ? `${local}@${domain}` : domain);
  } catch {
    return null;
  }
  if (action !== "register" && !local) return null;
  const mayRegister = action === "register" || /;ibr=y(?:;|$)/.test(found[4]);
  // An account is opened at the service, not at the host of rooms below it.
  const token = /;preauth=([^;]+)/.exec(found[4])[1];
  const service = action === "join" ? domain.replace(/^[^.]+\./u, "") : domain;
  const register = action === "join" && mayRegister ? `xmpp:${service}?register;preauth=${token}` : null;
  return { link: `xmpp:${text}`, address, action, mayRegister, register };
}

// Returns for which kind of device a browser is made.
export function kindOfDevice(userAgent, touchPoints) {
  if (/Android/.test(userAgent)) return "android";
  if (/iPhone|iPad|iPod/.test(userAgent)) return "ios";
  if (/Macintosh/.test(userAgent)) return touchPoints > 1 ? "ios" : "mac"; // a tablet says that it is a Mac
  return /Linux/.test(userAgent) ? "linux" : "desktop";
}

function headline({ action, address, link }) {
  if (action === "roster") return `${address} invites you to chat`;
  if (action === "join") return `You are invited to the group ${address}`;
  return link.includes("@") ? `The address ${address} is kept for you` : `You are invited to ${address}`;
}

function note({ action, mayRegister }) {
  if (!mayRegister) return "";
  return action === "join" ? "No account yet? Open one, and you are in." : "An account comes with it. The link is good once.";
}

// Shows the address of this page, which a phone opens; a phone itself has the button.
function showCode(kind) {
  const code = document.getElementById("code");
  code.hidden = kind === "android" || kind === "ios";
  if (code.hidden) return;
  const picture = renderSVG(location.href, { ecc: "M", border: 2 });
  document.getElementById("code-picture").src = `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

function show() {
  const invitation = readInvitation(location.hash);
  const element = (id) => document.getElementById(id);
  element("entry").hidden = false;
  element("accept").hidden = element("clients").hidden = element("ignore").hidden = !invitation;
  element("code").hidden = true;
  if (!invitation) {
    element("headline").textContent = "This is no invitation";
    element("entry-domain").textContent = "The link is incomplete. Ask for it once more.";
    return;
  }
  element("headline").textContent = headline(invitation);
  element("entry-domain").textContent = note(invitation);
  element("open").href = invitation.link;
  element("register").hidden = !invitation.register;
  if (invitation.register) element("register").href = invitation.register;
  const kind = kindOfDevice(navigator.userAgent, navigator.maxTouchPoints);
  showCode(kind);
  const fitting = kind === "android" || kind === "ios" ? [kind] : [kind, "desktop"];
  for (const item of document.querySelectorAll("#clients li")) item.hidden = !fitting.includes(item.dataset.for);
}

if (document.getElementById("invitation")) {
  show();
  addEventListener("hashchange", show);
}
