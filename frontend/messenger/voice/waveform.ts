/** The outline of a recording: its loudness in equal parts, as heights from 0 to 100. */

export const PART_COUNT = 48;

export interface Outline {
  peaks: number[];
  seconds: number;
}

/** The loudest sample of each part, against the loudest of all. */
export function outlineOf(samples: Float32Array, partCount = PART_COUNT): number[] {
  const size = Math.max(1, Math.floor(samples.length / partCount));
  const loudest = Array.from({ length: partCount }, (_, part) => {
    let found = 0;
    for (const sample of samples.subarray(part * size, (part + 1) * size)) found = Math.max(found, Math.abs(sample));
    return found;
  });
  const most = Math.max(...loudest);
  return loudest.map((one) => (most > 0 ? Math.round((one / most) * 100) : 0));
}

/** Decode a recording and outline it. */
export async function readOutline(recording: ArrayBuffer): Promise<Outline> {
  const context = new OfflineAudioContext(1, 1, 8000); // loudness needs no more
  const audio = await context.decodeAudioData(recording);
  return { peaks: outlineOf(audio.getChannelData(0)), seconds: audio.duration };
}

/** As a message carries it (docs/voice-notes.md): a byte a part, in Base64. */
export function packPeaks(peaks: number[]): string {
  return btoa(String.fromCharCode(...peaks));
}

/** Read what a message carries; null for what is none. */
export function unpackPeaks(text: string): number[] | null {
  if (text.length > 1024) return null;
  try {
    const peaks = Array.from(atob(text), (one) => Math.min(100, one.charCodeAt(0)));
    return peaks.length > 0 ? peaks : null;
  } catch {
    return null;
  }
}

/** Minutes and seconds: 1:05. */
export function sayTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
