// What the server tells; src/raftline/console/readings.py explains the fields.

export interface NodeFigures {
  release: string;
  machine_version: number;
  started_ms: number;
  elapsed_ns: number;
  term: number;
  last_index: number;
  commit_index: number;
  is_drained: boolean;
  disk_state: "ample" | "short" | "out";
  disk_room_bytes: number | null;
  sync_count: number;
  sync_seconds: number;
  in_flight_count: number;
  connection_count: number;
  message_count: number;
}

export interface NodeReading {
  id: number;
  role: string;
  is_reachable: boolean;
  http_url: string;
  address: string;
  applied_index: number | null;
  match_index: number | null;
  figures: NodeFigures | null;
}

export interface Reading {
  time_ms: number;
  node: number;
  leader: number | null;
  term: number;
  commit_index: number;
  commit_p50_ms: number | null;
  commit_p99_ms: number | null;
  nodes: NodeReading[];
}

export interface NodeRates {
  messages: number | null;
  sync_ms: number | null;
}

export interface Frame {
  reading: Reading;
  in_flight: number;
  messages: number | null;
  rates: Record<string, NodeRates>;
}

export interface Change {
  time_ms: number;
  term: number;
  kind: "stands" | "leads" | "lost";
  node: number;
}

export interface About {
  domain: string;
  node: number;
  directory: string | null;
}

export interface Invitation {
  node_id: number;
  token: string;
  cluster_id: string;
  epoch: number;
  domain: string;
  members: {
    node_id: number;
    host: string;
    port: number;
    fingerprint: string;
    http_url: string;
    xmpp_address: string;
  }[];
}
