/**
 * A place in a chat: a `geo:` address (RFC 5870) as the text, which every client shows in some way, and beside it the
 * location of XEP-0080 where the chat is not encrypted.
 *
 * No map is loaded, since whoever serves one would learn where people are. What is drawn are the meridians and parallels
 * around the place; a link leads to a map for those who want one.
 */

import converse, { type Message, type Outgoing, type Shared, type Template, type ToolbarElement } from "converse";
import { ask, make } from "./dialog";
import { showInstead } from "./message";
import { find, NS, textOf, xml } from "./namespaces";
import { say } from "./words";

/** Degrees; metres. */
export interface Place {
  latitude: number;
  longitude: number;
  accuracy?: number;
}

const GEO = /^geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)(?:,-?\d+(?:\.\d+)?)?((?:;[\w.-]+(?:=[^\s;]*)?)*)$/i;
const FIND_TIMEOUT_MS = 10_000;

function isOnEarth({ latitude, longitude }: Place): boolean {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
}

/** Read a `geo:` address; null for anything else, and for what lies nowhere on Earth. */
export function readGeo(text: string): Place | null {
  const found = GEO.exec(text.trim());
  if (!found) return null;
  const place: Place = { latitude: Number(found[1]), longitude: Number(found[2]) };
  const accuracy = /;u=(\d+(?:\.\d+)?)/i.exec(found[3] ?? "")?.[1];
  if (accuracy !== undefined) place.accuracy = Number(accuracy);
  return isOnEarth(place) ? place : null;
}

export function writeGeo({ latitude, longitude, accuracy }: Place): string {
  const uncertainty = accuracy === undefined ? "" : `;u=${Math.round(accuracy)}`;
  return `geo:${latitude.toFixed(6)},${longitude.toFixed(6)}${uncertainty}`;
}

function readGeoloc(stanza: Element): Place | null {
  const element = find(stanza, NS.geoloc, "geoloc");
  const [lat, lon] = element ? [textOf(element, NS.geoloc, "lat"), textOf(element, NS.geoloc, "lon")] : ["", ""];
  if (!lat || !lon) return null;
  const place = { latitude: Number(lat), longitude: Number(lon) };
  return isOnEarth(place) ? place : null;
}

/** Coordinates as people write them: 52.52000° N, 13.40500° E. */
function sayPlace({ latitude, longitude }: Place): string {
  const north = `${Math.abs(latitude).toFixed(5)}° ${latitude < 0 ? "S" : "N"}`;
  return `${north}, ${Math.abs(longitude).toFixed(5)}° ${longitude < 0 ? "W" : "E"}`;
}

const WIDTH = 260;
const HEIGHT = 130;
const STEP_DEGREES = 0.005;
const STEP_PIXELS = 44;

/** Where lines of a grid stand, from the middle, and what degree each is. */
function lines(value: number, size: number): { at: number; degrees: number }[] {
  const first = Math.ceil(value / STEP_DEGREES - size / 2 / STEP_PIXELS);
  const count = Math.floor(size / STEP_PIXELS) + 1;
  return Array.from({ length: count }, (_, place) => {
    const degrees = (first + place) * STEP_DEGREES;
    return { at: size / 2 + ((degrees - value) / STEP_DEGREES) * STEP_PIXELS, degrees };
  }).filter(({ at }) => at > 0 && at < size);
}

function drawing(place: Place): string {
  const meridians = lines(place.longitude, WIDTH);
  const parallels = lines(place.latitude, HEIGHT).map(({ at, degrees }) => ({ at: HEIGHT - at, degrees }));
  return [
    ...meridians.map(({ at }) => `M${at.toFixed(1)} 0V${HEIGHT}`),
    ...parallels.map(({ at }) => `M0 ${at.toFixed(1)}H${WIDTH}`),
  ].join("");
}

function card(place: Place): Template {
  const { html } = converse.env;
  const at = `${place.latitude.toFixed(6)}/${place.longitude.toFixed(6)}`;
  const [lat, lon] = at.split("/");
  const map = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${at}`;
  return html`<div class="raftline-place">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true">
      <path class="raftline-grid" d=${drawing(place)}></path>
      <circle class="raftline-around" cx=${WIDTH / 2} cy=${HEIGHT / 2} r="26"></circle>
      <path
        class="raftline-pin"
        d="M130 66c-9-11-14-17-14-24a14 14 0 0 1 28 0c0 7-5 13-14 24zm0-29a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z"
      ></path>
    </svg>
    <div class="raftline-place-text">
      <strong>${say("locationTitle")}</strong>
      <span class="raftline-coordinates">${sayPlace(place)}</span>
      ${place.accuracy ? html`<span>${say("locationAccuracy", Math.round(place.accuracy))}</span>` : ""}
      <a href=${map} target="_blank" rel="noopener noreferrer">${say("locationOpen")}</a>
    </div>
  </div>`;
}

function placeOf(message: Message): Place | null {
  if (message.isRetracted()) return null;
  return message.get<Place>("place") ?? readGeo(message.getMessageText() ?? "");
}

function findPlace(): Promise<Place> {
  return new Promise((resolve, reject) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ latitude: coords.latitude, longitude: coords.longitude, accuracy: coords.accuracy }),
      reject,
      { enableHighAccuracy: true, timeout: FIND_TIMEOUT_MS, maximumAge: 60_000 },
    );
  });
}

/** Ask for a place: where the device is, or what is typed. */
export async function askPlace(): Promise<Place | null> {
  const field = (name: "locationLatitude" | "locationLongitude") =>
    make("input", { type: "number", step: "any", required: "", "aria-label": say(name), placeholder: say(name) });
  const [latitude, longitude] = [field("locationLatitude"), field("locationLongitude")];
  const note = make("p", { class: "raftline-note", role: "status" }, say("locationFinding"));
  let accuracy: number | undefined;
  const entered = (): Place => ({ latitude: latitude.valueAsNumber, longitude: longitude.valueAsNumber });
  for (const input of [latitude, longitude]) input.addEventListener("input", () => (accuracy = undefined));
  findPlace().then(
    (place) => {
      accuracy = place.accuracy;
      latitude.value = place.latitude.toFixed(6);
      longitude.value = place.longitude.toFixed(6);
      note.textContent = say("locationAccuracy", Math.round(place.accuracy ?? 0));
    },
    () => (note.textContent = say("locationDenied")),
  );
  const fields = make("div", { class: "raftline-fields" }, latitude, longitude);
  const check = () => (isOnEarth(entered()) ? "" : say("locationBad"));
  if (!(await ask(say("location"), say("send"), [note, fields], check))) return null;
  return accuracy === undefined ? entered() : { ...entered(), accuracy };
}

export function shareLocations({ api }: Shared): void {
  const { html } = converse.env;
  const read = (stanza: Element, attrs: Record<string, unknown>) => {
    const place = readGeoloc(stanza);
    return place && attrs.body ? { ...attrs, place } : attrs;
  };
  api.listen.on("parseMessage", read);
  api.listen.on("parseMUCMessage", read);
  api.listen.on("createMessageStanza", (_chat: unknown, data: Outgoing) => {
    const place = data.message.get<Place>("place");
    if (place && !data.message.get("is_encrypted")) {
      const parts = [
        xml(NS.geoloc, "lat", {}, place.latitude.toFixed(6)),
        xml(NS.geoloc, "lon", {}, place.longitude.toFixed(6)),
        ...(place.accuracy === undefined ? [] : [xml(NS.geoloc, "accuracy", {}, place.accuracy.toFixed(0))]),
      ];
      data.stanza.cnode(xml(NS.geoloc, "geoloc", {}, ...parts)).root();
    }
    return data;
  });
  api.listen.on("getToolbarButtons", (toolbar: ToolbarElement, buttons: Template[]) => {
    const send = async () => {
      const place = await askPlace();
      if (place) await toolbar.model.sendMessage({ body: writeGeo(place), place });
    };
    const title = say("location");
    buttons.push(html`<button type="button" class="btn raftline-locate" title=${title} aria-label=${title} @click=${send}>
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        <path d="M12 22s7-7.500 7-13a7 7 0 0 0-14 0c0 5.500 7 13 7 13z"></path>
        <circle cx="12" cy="9" r="2.500"></circle>
      </svg>
    </button>`);
    return buttons;
  });
  showInstead((message) => {
    const place = placeOf(message);
    return place && card(place);
  });
}
