// The calls of Firecracker's API that this driver makes: where each goes, what it takes, and when it is allowed.
// Source: as for schemas.ts; when a call is allowed is said in the description's texts and in docs/api_requests there.
import type { Static, TSchema } from "typebox";
import { SCHEMAS } from "./schemas.ts";

export interface Operation {
  method: "GET" | "PUT" | "PATCH";
  /** `{id}` stands for the device that is meant. */
  path: string;
  body: TSchema | undefined;
  /** Of status 200; undefined = nothing comes back (204). */
  answer: TSchema | undefined;
  /** Before the guest has been started or loaded, from then on, or whenever. */
  when: "before" | "after" | "always";
}

const { InstanceInfo, MachineConfiguration, BootSource, Drive, PartialDrive, NetworkInterface } = SCHEMAS;
const { PartialNetworkInterface, EntropyDevice, InstanceActionInfo, Vm } = SCHEMAS;
const { SnapshotCreateParams, SnapshotLoadParams } = SCHEMAS;

export const OPERATIONS = {
  describe: { method: "GET", path: "/", body: undefined, answer: InstanceInfo, when: "always" },
  machine: { ...put("/machine-config", MachineConfiguration), when: "before" },
  bootSource: { ...put("/boot-source", BootSource), when: "before" },
  drive: { ...put("/drives/{id}", Drive), when: "before" },
  network: { ...put("/network-interfaces/{id}", NetworkInterface), when: "before" },
  entropy: { ...put("/entropy", EntropyDevice), when: "before" },
  action: { ...put("/actions", InstanceActionInfo), when: "before" },
  loadSnapshot: { ...put("/snapshot/load", SnapshotLoadParams), when: "before" },
  vm: { ...patch("/vm", Vm), when: "after" },
  createSnapshot: { ...put("/snapshot/create", SnapshotCreateParams), when: "after" },
  updateDrive: { ...patch("/drives/{id}", PartialDrive), when: "after" },
  updateNetwork: { ...patch("/network-interfaces/{id}", PartialNetworkInterface), when: "after" },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
type BodyOf<O extends OperationName> = (typeof OPERATIONS)[O]["body"] extends TSchema
  ? Static<(typeof OPERATIONS)[O]["body"]>
  : undefined;

/** What a call comes back with. */
export type AnswerOf<O extends OperationName> = (typeof OPERATIONS)[O]["answer"] extends TSchema
  ? Static<(typeof OPERATIONS)[O]["answer"]>
  : undefined;

/** One call, ready to be made. */
export type ApiRequest = {
  [O in OperationName]: {
    operation: O;
    body: BodyOf<O>;
  } & ((typeof OPERATIONS)[O]["path"] extends `${string}{id}` ? { id: string } : { id?: undefined });
}[OperationName];

function put<T extends TSchema, P extends string>(path: P, body: T) {
  return { method: "PUT", path, body, answer: undefined } as const;
}

function patch<T extends TSchema, P extends string>(path: P, body: T) {
  return { method: "PATCH", path, body, answer: undefined } as const;
}
