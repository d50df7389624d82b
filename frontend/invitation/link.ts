/**
 * What the link of an invitation says (XEP-0379 section 3.3).
 *
 * It stands behind the # of the page's address, which browsers send to no server.
 */

export interface Invitation {
  link: string;
  address: string;
  action: "roster" | "register" | "join";
  mayRegister: boolean;
  /** Where an account is opened that the invitation to a room brings with it. */
  register: string | null;
}

const LINK =
  /^(?:([^\s"'<>&/:@?;#]+)@)?([^\s"'<>&/@?;#]+)\?(roster|register|join)((?:;(?:preauth|ibr|name)=[\w.~%+-]*)+)$/u;

/** Returns what a fragment invites to, or null when it is no invitation. */
export function readInvitation(fragment: string): Invitation | null {
  const found = LINK.exec(fragment.replace(/^#/, ""));
  if (!found || !/;preauth=\w/.test(found[4] ?? "")) return null;
  const [text, local, domain, action] = found as unknown as [string, string?, string?, Invitation["action"]?];
  let address: string;
  try {
    address = decodeURIComponent(local ? `${local}@${domain}` : (domain ?? ""));
  } catch {
    return null;
  }
  if (action !== "register" && !local) return null;
  const mayRegister = action === "register" || /;ibr=y(?:;|$)/.test(found[4] ?? "");
  // An account is opened at the service, not at the host of rooms below it.
  const token = /;preauth=([^;]+)/.exec(found[4] ?? "")?.[1];
  const service = domain?.replace(/^[^.]+\./u, "");
  const register = action === "join" && mayRegister ? `xmpp:${service}?register;preauth=${token}` : null;
  return { link: `xmpp:${text}`, address, action: action ?? "roster", mayRegister, register };
}

/** Returns for which kind of device a browser is made. */
export function kindOfDevice(userAgent: string, touchPoints: number): string {
  if (/Android/.test(userAgent)) return "android";
  if (/iPhone|iPad|iPod/.test(userAgent)) return "ios";
  if (/Macintosh/.test(userAgent)) return touchPoints > 1 ? "ios" : "mac"; // a tablet says that it is a Mac
  return /Linux/.test(userAgent) ? "linux" : "desktop";
}
