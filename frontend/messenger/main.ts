/**
 * Raftline's messenger: Converse.js as its makers have built it, set up for this server, with plugins of ours for what
 * it lacks. Each plugin is a module here that ties itself to Converse.js's events and hooks (docs/web-messenger.md).
 */

import converse from "converse";
import { translatePage } from "../shared/language";
import "../shared/card.css";
import "./styles/theme.css";
import "./styles/chats.css";
import "./styles/parts.css";
import "./styles/polls.css";
import "./styles/business.css";
import { markBusinesses } from "./business/badge";
import { answerBusinesses } from "./business/index";
import { letMessagesDisappear } from "./ephemeral";
import { showFilesOnce } from "./files";
import { shareLocations } from "./location";
import { repairMenus } from "./menus";
import { dressMessages } from "./message";
import { NodeRing } from "./nodes";
import { Outbox } from "./outbox";
import { type Config, fetchConfig, prepareCard } from "./page";
import { mendPictures } from "./pictures";
import { askAndCountPolls } from "./polls/index";
import { avoidUnusablePrekeys } from "./prekeys";
import { tellWhatIsRead } from "./reading";
import { openSealedFiles } from "./sealed";
import { encryptByDefault } from "./secrecy";
import { keepSession } from "./session";
import { raiseTicks } from "./ticks";
import { sendVoiceNotes } from "./voice/index";
import { showWelcome } from "./welcome";
import { say } from "./words";

function addPlugin(config: Config): NodeRing {
  const ring = new NodeRing(window.location, config.websockets);
  converse.plugins.add("raftline", {
    dependencies: ["converse-chatview", "converse-muc-views", "converse-omemo", "converse-rosterview"],
    initialize() {
      const shared = this._converse;
      const outbox = new Outbox((id, jid) => safe(id, jid));
      const safe = raiseTicks(shared);
      showWelcome(shared);
      dressMessages(shared, outbox);
      letMessagesDisappear(shared); // first, since what is gone is neither a place nor a voice note
      const isBusiness = markBusinesses(shared);
      answerBusinesses(shared);
      sendVoiceNotes(shared, ring, isBusiness);
      shareLocations(shared);
      showFilesOnce(shared);
      askAndCountPolls(shared);
      openSealedFiles(ring);
      mendPictures(ring);
      tellWhatIsRead(shared, isBusiness);
      avoidUnusablePrekeys(shared);
      encryptByDefault(shared);
      keepSession(shared, ring, outbox); // last, since the outbox keeps stanzas as all others have left them
    },
  });
  return ring;
}

async function start(): Promise<void> {
  translatePage(say as (key: never) => string);
  const config = await fetchConfig();
  prepareCard(config);
  repairMenus();
  const ring = addPlugin(config);
  await converse.initialize({
    allow_message_corrections: "all",
    allow_message_retraction: "all",
    allow_registration: false, // the card does it
    archived_messages_page_size: "100",
    assets_path: __CONVERSE__,
    authentication: "login",
    autocomplete_providers_url: "", // nothing is loaded from elsewhere
    auto_login: false,
    auto_reconnect: true,
    auto_subscribe: false,
    blacklisted_plugins: ["converse-register"], // looks up providers on the net
    clear_messages_on_reconnection: false,
    dark_theme: "raftline-dark",
    default_domain: config.domain,
    discover_connection_methods: false, // the ring knows
    embed_3rd_party_media_players: false,
    keepalive: true,
    locked_domain: config.domain,
    mam_request_all_pages: true,
    muc_nickname_from_jid: true,
    muc_show_info_messages: ["affiliation"],
    notification_icon: "/static/icon.svg",
    ping_interval: 25, // seconds
    render_media: true,
    roster_groups: false,
    send_chat_markers: [], // reading.ts does
    show_background: false,
    show_client_info: false,
    show_send_button: true,
    smacks_max_unacked_stanzas: 1, // ask after each stanza: an acknowledgement means that it is safe
    theme: "raftline",
    use_system_emojis: true,
    view_mode: "fullscreen",
    visible_toolbar_buttons: { call: false, emoji: true, location: false, spoiler: false, toggle_occupants: true },
    websocket_url: ring.current,
    whitelisted_plugins: ["raftline"],
  });
}

start();
