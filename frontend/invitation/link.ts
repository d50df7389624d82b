/**
 * What the link of an invitation says (XEP-0379 section 3.3).
 *
 * It stands behind the # of the page's address, which browsers send to no server.
 */

export interface Invitation {
  link: string;
  address: string;
  action: "roster" | "register";
  mayRegister: boolean;
}

const LINK = /^(?:([^\s"'<>&/:@?;#]+)@)?([^\s"'<>&/@?;#]+)\?(roster|register)((?:;(?:preauth|ibr|name)=[\w.~%+-]*)+)$/u;

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
  if (action === "roster" && !local) return null;
  const mayRegister = action === "register" || /;ibr=y(?:;|$)/.test(found[4] ?? "");
  return { link: `xmpp:${text}`, address, action: action ?? "roster", mayRegister };
}

/** Returns for which kind of device a browser is made. */
export function kindOfDevice(userAgent: string, touchPoints: number): string {
  if (/Android/.test(userAgent)) return "android";
  if (/iPhone|iPad|iPod/.test(userAgent)) return "ios";
  if (/Macintosh/.test(userAgent)) return touchPoints > 1 ? "ios" : "mac"; // a tablet says that it is a Mac
  return /Linux/.test(userAgent) ? "linux" : "desktop";
}
