import type { Deployment } from "./deployment.ts";
import type { Guard, Run } from "./order.ts";
import type { SpentKey } from "./repeat.ts";
import type { History } from "./history.ts";

/** The durable memory. Every call is synchronous and on disk when it returns. */
export interface Store extends History {
  /** A new deployment and what becomes true with it, in one transaction. */
  insert(deployment: Deployment, acceptance?: Acceptance): void;
  update(deployment: Deployment): void;
  find(id: string): Deployment | undefined;
  /** Queued and running ones, in the order they were inserted. */
  unfinished(): Deployment[];
  /** What a key stands for that has not expired at `now`. */
  spentKey(issuer: string, key: string, now: number): { request: string; deployment: string } | undefined;
  /** The newest accepted run of a workflow for a service. */
  guard(service: string, workflow: string): Guard | undefined;
  saveBefore(deployment: string, before: Before): void;
  /** From now on what ran before may have been told to stop. */
  saveSwitching(deployment: string): void;
  before(deployment: string): Before | undefined;
  pins(): Pin[];
  /** The switch made final: the pin and what its containers were created from, in one transaction. */
  commit(pin: Pin, origins: Origin[]): void;
  dropPin(service: string): void;
  origin(container: string): Origin | undefined;
  saveOrigins(origins: Origin[]): void;
  /** Names of the recorded configurations that a pin, a container or an unfinished deployment needs. */
  neededRecords(): ReadonlySet<string>;
  /** Containers that ran at the last look, and under which boot of the host. */
  lastLook(): Look | undefined;
  saveLook(look: Look): void;
  /** The compose project this state belongs to; undefined before the first look at the file. */
  projectName(): string | undefined;
  saveProjectName(name: string): void;
}

/** What else becomes true when a deployment is accepted. */
export type Acceptance = {
  /** Those whose place it takes, at their end. */
  superseded: Deployment[];
  /** Its caller's key, from now on spent; those that have expired by the time it was accepted are forgotten. */
  key: SpentKey | undefined;
  /** Where the order guard of its service moves to. */
  run: Run | undefined;
};

export type Look = {
  /** Which start of the host and of Docker it was under. */
  start: string;
  running: string[];
};

/** The image a service runs by decision of a succeeded deployment. */
export type Pin = {
  service: string;
  /** Text its containers were created with. */
  imageText: string;
  /** What the compose file said then; when that changes, the operator has decided anew and the pin is dropped. */
  fileImage: string;
  digest: string;
  /** Name of the recorded configuration its containers were created from. */
  recorded: string;
  deployment: string;
};

/** What a container was created from, as far as we know; `configHash` is `""` when all we know is that the file has changed since. */
export type Origin = { container: string; service: string; configHash: string; recorded: string };

/** What ran before a deployment touched anything: the way back. */
export type Before = {
  /** Containers that ran, or that Docker was restarting. */
  running: string[];
  /** All containers of the service, stopped ones too. */
  all: string[];
  /** The configuration that ran, for when its containers do not survive the switch. */
  recorded: string;
  /** The old containers may have been told to stop. */
  switching?: boolean | undefined;
};
