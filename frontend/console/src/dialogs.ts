// Questions before something is done, and the invitation of a new node. The browser's own dialogs: focus stays inside.

import { button, element, setText } from "./dom";
import { text } from "./texts";
import type { Invitation } from "./types";

/** Ask; true if the answer was yes. */
export function confirm(title: string, explanation: string, yes: string, isDangerous = false): Promise<boolean> {
  return new Promise((resolve) => {
    let isAgreed = false;
    const agree = (): void => {
      isAgreed = true;
      dialog.close();
    };
    const dialog = element(
      "dialog",
      { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" },
      element("h2", { id: "dialog-title" }, title),
      element("p", { id: "dialog-text" }, explanation),
      element(
        "div",
        { class: "dialog-actions" },
        button(text("cancel"), "", () => dialog.close(), { autofocus: true }),
        button(yes, isDangerous ? "danger solid" : "primary", agree, { "data-action": "confirm" }),
      ),
    );
    open(dialog, () => resolve(isAgreed));
  });
}

/** Show how the invited node is started; returns what tells that it votes. */
export function showInvitation(invitation: Invitation, directory: string | null): { done: () => void } {
  const node = invitation.node_id;
  const status = element("p", { class: "waiting", role: "status" }, text("waiting", { node }));
  const dialog = element(
    "dialog",
    { "aria-labelledby": "dialog-title", class: "wide", "data-invited": String(node) },
    element("h2", { id: "dialog-title" }, text("invitedTitle", { node })),
    element("p", {}, text("invitedIntro")),
    ...(directory === null
      ? []
      : [
          element("h3", {}, text("invitedHere")),
          block("command", `raftline node start ${node} --data ${quoted(directory)} --join-token ${invitation.token}`),
        ]),
    element(
      "details",
      { open: directory === null },
      element("summary", {}, text("invitedThere")),
      element("p", {}, text("invitedSteps", { node })),
      block("settings", settingsOf(invitation)),
      block("token", invitation.token),
      block("run", "raftline node run --config /etc/raftline/node.toml"),
    ),
    status,
    element(
      "div",
      { class: "dialog-actions" },
      button(text("close"), "primary", () => dialog.close(), { "data-action": "close" }),
    ),
  );
  open(dialog, () => undefined);
  return {
    done: () => {
      setText(status, text("done", { node }));
      status.classList.add("done");
    },
  };
}

/** Open a dialog of one's own. */
export function open(dialog: HTMLDialogElement, onClose: () => void): void {
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Something to be copied. */
export function block(name: string, content: string): HTMLElement {
  const copy = button(text("copy"), "small", () => {
    void navigator.clipboard.writeText(content).then(() => setText(copy, text("copied")));
  });
  return element("div", { class: "copyable" }, element("pre", { "data-copy": name, tabindex: "0" }, content), copy);
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** The rows of the new node's settings, as `raftline cluster add` prints them. */
function settingsOf(invitation: Invitation): string {
  const rows = invitation.members.map((member) =>
    [
      "[[cluster.peers]]",
      `node_id = ${member.node_id}`,
      `host = "${member.host}"`,
      `port = ${member.port}`,
      `fingerprint = "${member.fingerprint}"`,
      `http_url = "${member.http_url}"`,
      `xmpp_address = "${member.xmpp_address}"`,
    ].join("\n"),
  );
  const head = [
    "[cluster]",
    `id = "${invitation.cluster_id}"`,
    `epoch = ${invitation.epoch}`,
    `node_id = ${invitation.node_id}`,
    'join_token_file = "join.token"',
  ].join("\n");
  return [head, ...rows].join("\n\n");
}
