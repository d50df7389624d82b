/** The landing page of an invitation (XEP-0401 section 5.2): who invites, the link for a chat app, and apps to install. */

import { renderSVG } from "uqr";
import { translatePage, translator } from "../shared/language";
import "../shared/card.css";
import { type Invitation, kindOfDevice, readInvitation } from "./link";

const english = {
  accept: "Accept the invitation",
  account: "An account comes with it. The link is good once.",
  group: "You are invited to the group {0}",
  ignore: "If you do not know who invites you, there is nothing to do.",
  incomplete: "The link is incomplete. Ask for it once more.",
  install: "Nothing happens? Install a chat app first, then come back to this page. For this device:",
  invites: "{0} invites you to chat",
  invited: "You are invited to {0}",
  kept: "The address {0} is kept for you",
  newcomer: "No account yet? Open one, and you are in.",
  none: "This is no invitation",
  register: "Open an account",
  scan: "Or point the camera of your phone at it.",
};

const say = translator(english, {
  accept: "接受邀请",
  account: "邀请附带一个账号，链接仅可使用一次。",
  group: "您受邀加入群组 {0}",
  ignore: "如果您不认识邀请您的人，请忽略此页面。",
  incomplete: "链接不完整，请让对方重新发送。",
  install: "没有反应？请先安装聊天应用，然后回到此页面。适用于此设备：",
  invites: "{0} 邀请您聊天",
  invited: "您受邀加入 {0}",
  kept: "地址 {0} 已为您保留",
  newcomer: "还没有账号？注册一个即可加入。",
  none: "这不是邀请",
  register: "注册账号",
  scan: "或用手机相机扫描二维码。",
});

function headline({ action, address, link }: Invitation): string {
  if (action === "roster") return say("invites", address);
  if (action === "join") return say("group", address);
  return say(link.includes("@") ? "kept" : "invited", address);
}

function note({ action, mayRegister }: Invitation): string {
  if (!mayRegister) return "";
  return say(action === "join" ? "newcomer" : "account");
}

/** Shows the address of this page, which a phone opens; a phone itself has the button. */
function showCode(kind: string): void {
  const code = document.getElementById("code") as HTMLElement;
  code.hidden = kind === "android" || kind === "ios";
  if (code.hidden) return;
  const picture = renderSVG(location.href, { ecc: "M", border: 2 });
  (document.getElementById("code-picture") as HTMLImageElement).src =
    `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

function show(): void {
  const invitation = readInvitation(location.hash);
  const element = (id: string) => document.getElementById(id) as HTMLElement;
  element("entry").hidden = false;
  for (const id of ["accept", "clients", "ignore"]) element(id).hidden = !invitation;
  element("code").hidden = true;
  if (!invitation) {
    element("headline").textContent = say("none");
    element("entry-domain").textContent = say("incomplete");
    return;
  }
  element("headline").textContent = headline(invitation);
  element("entry-domain").textContent = note(invitation);
  (element("open") as HTMLAnchorElement).href = invitation.link;
  element("register").hidden = !invitation.register;
  if (invitation.register) (element("register") as HTMLAnchorElement).href = invitation.register;
  const kind = kindOfDevice(navigator.userAgent, navigator.maxTouchPoints);
  showCode(kind);
  const fitting = kind === "android" || kind === "ios" ? [kind] : [kind, "desktop"];
  for (const item of document.querySelectorAll<HTMLElement>("#clients li")) {
    item.hidden = !fitting.includes(item.dataset.for ?? "");
  }
}

translatePage(say as (key: never) => string);
show();
addEventListener("hashchange", show);
