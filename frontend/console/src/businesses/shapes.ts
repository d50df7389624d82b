// What the administration tells of businesses; src/raftline/web/businesses/views.py explains the fields.

export interface Callback {
  scope: string;
  url: string;
  fields: string[];
}

export interface App {
  app_id: string;
  name: string;
  streams: boolean;
  callbacks: Callback[];
}

export interface AppDetails extends App {
  waiting_events: number;
  dead_letters: number;
}

export interface BusinessNumber {
  phone_number_id: string;
  number: string;
  jid: string;
  verified_name: string;
  per_second: number;
  pair_per_minute: number;
  registered: boolean;
}

export interface Business {
  waba_id: string;
  name: string;
  created_ms: number;
  apps: App[];
  numbers: BusinessNumber[];
}

export interface Token {
  token_id: string;
  label: string;
  scopes: string[];
  created_ms: number;
  expires_ms: number | null;
}

export interface DeadLetter {
  id: string;
  kind: string;
  status: string | null;
  peer: string;
  died_ms: number;
  callback: string | null;
}

export interface AuditEntry {
  time_ms: number;
  actor: string;
  action: string;
  detail: string;
}
