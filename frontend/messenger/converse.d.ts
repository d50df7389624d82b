/**
 * What our plugins use of Converse.js 14, and no more. Its own declarations describe its sources, not what a plugin
 * gets; these were read off https://github.com/conversejs/converse.js at the pinned version.
 */

declare module "converse" {
  /** Attributes of models as they are; a plugin knows what it asks for. */
  export interface Model {
    attributes: Record<string, unknown>;
    get<Value = unknown>(name: string): Value | undefined;
    set(attributes: Record<string, unknown>): void;
    save(attributes: Record<string, unknown>): void;
    on(event: string, handler: (...values: never[]) => void): void;
  }

  export interface Message extends Model {
    getMessageText(): string;
    getDisplayName(): string;
    isRetracted(): boolean;
    collection?: { chatbox: Chat };
    file: File | null;
  }

  export interface Messages {
    models: Message[];
    on(event: string, handler: (message: Message) => void): void;
    fetched?: Promise<void>;
  }

  export interface Chat extends Model {
    messages: Messages;
    ui: Model;
    contact?: Model;
    isHidden(): boolean;
    getDisplayName(): string;
    sendMessage(attributes: Record<string, unknown>): Promise<Message>;
    sendFiles(files: File[]): Promise<void>;
    /** Of rooms alone. */
    getOwnAffiliation?(): string;
    getOwnRole?(): string;
    occupants?: { findOccupant(known: { jid: string; occupant_id: string }): Occupant | undefined };
  }

  export interface Occupant extends Model {
    getDisplayName(): string;
  }

  export interface Builder {
    cnode(element: Element): Builder;
    root(): Builder;
    tree(): Element;
  }

  /** What lit's `html` makes. */
  export type Template = { readonly strings: TemplateStringsArray } | "";

  export interface MessageElement extends HTMLElement {
    model: Message;
    model_with_messages: Chat;
    renderMessageText(): Template;
  }

  export interface ToolbarElement extends HTMLElement {
    model: Chat;
    is_groupchat: boolean;
  }

  export interface HeadingButton {
    a_class: string;
    handler: (event: Event) => void;
    i18n_text: string;
    i18n_title: string;
    icon_class: string;
    name: string;
    standalone: boolean;
  }

  export interface DeviceList {
    devices: { length: number; on(event: "add", handler: () => void): void };
    fetchDevices(refresh: boolean): Promise<unknown>;
  }

  export interface Device extends Model {
    /** Of the keys in its `bundle`. */
    getRandomPreKey(): { id: number };
  }

  /** XML that goes into a stanza as it is. */
  export interface UnsafeXml {
    toString(): string;
  }

  /** What `createMessageStanza` hands on. */
  export interface Outgoing {
    message: Message;
    stanza: Builder;
  }

  export interface Connection {
    authenticated: boolean;
    connected: boolean;
    jid: string;
    service: string;
    status?: number;
    _proto: { _onClose: (event: unknown) => void; _onError: () => void };
    _changeConnectStatus(status: number, condition: string): void;
    _doDisconnect(): void;
  }

  export interface Api {
    connection: { get(): Connection | undefined; connected(): boolean };
    disco: { supports(feature: string, jid: string): Promise<boolean>; own: { features: { add(name: string): void } } };
    elements: {
      registry: Record<string, new () => MessageElement>;
      define(name: string, element: CustomElementConstructor): void;
    };
    listen: {
      // biome-ignore lint/suspicious/noExplicitAny: each event hands out values of its own
      on(event: string, handler: (...values: any[]) => unknown): void;
      once(event: string, handler: () => void): void;
      stanza(name: string, options: { ns: string; type: string }, handler: (stanza: Element) => boolean): void;
    };
    alert(kind: "error" | "info", title: string, lines: string[]): Promise<void>;
    modal: { show(name: string, properties: object, event: Event): void };
    omemo: { devicelists: { get(jid: string, create: boolean, version: string): Promise<DeviceList> } };
    pubsub: {
      publish(jid: string | null, node: string, item: Builder | UnsafeXml, ...options: unknown[]): Promise<unknown>;
    };
    send(stanza: Element | Builder): void;
    sendIQ(stanza: Element | Builder, timeoutMs?: number): Promise<Element>;
    settings: { get<Value>(name: string): Value; set(name: string, value: unknown): void };
    waitUntil(promise: string): Promise<void>;
    user: { login(jid: string, password: string): Promise<void> };
  }

  export interface Shared {
    api: Api;
    exports: { Device: { prototype: Device } };
    session: Model;
    state: {
      chatboxes?: { models: Chat[]; get(jid: string): Chat | undefined };
      connfeedback: Model;
      omemo_active_states?: Model;
      profile?: Model & { getDisplayName(): string };
    };
  }

  export interface Strophe {
    Status: Record<"AUTHFAIL" | "CONNFAIL", number>;
    getBareJidFromJid(jid: string): string;
  }

  export interface Plugin {
    dependencies?: string[];
    initialize(this: { _converse: Shared }): void;
  }

  interface Converse {
    plugins: { add(name: string, plugin: Plugin): void };
    initialize(settings: Record<string, unknown>): Promise<void>;
    env: {
      Stanza: { unsafeXML(text: string): UnsafeXml };
      Strophe: Strophe;
      html(strings: TemplateStringsArray, ...values: unknown[]): Template;
      u: { getUniqueId(): string };
    };
  }

  const converse: Converse;
  export default converse;
}
