import type { Deployment, Diagnosis } from "./deployment.ts";
import type { ErrorCode } from "./errors.ts";
import type { Guard, Run } from "./order.ts";
import type { RepeatKey, SpentKey } from "./repeat-key.ts";
import type { History } from "./history.ts";
import type { LostRoutes } from "./lost-routes.ts";
import type { Attachment } from "./engine.ts";
import type { Strategy } from "./settings.ts";

/** The durable memory. Every call is synchronous and on disk when it returns. */
export interface Store extends History {
  /** A new deployment and what becomes true with it, in one transaction. */
  insert(deployment: Deployment, acceptance?: Acceptance): void;
  update(deployment: Deployment): void;
  find(id: string): Deployment | undefined;
  /** Queued and running ones, in the order they were inserted. */
  unfinished(): Deployment[];
  /** What a key stands for that has not expired at `now`; its deployment may be forgotten. */
  spentKey(
    key: Pick<RepeatKey, "kind" | "owner" | "key">,
    now: number,
  ): { request: string; deployment: string } | undefined;
  /** From now on these stand for a deployment, all of them or none. */
  spendKeys(keys: readonly SpentKey[], deployment: string): void;
  /** The newest accepted run of a workflow for a service. */
  guard(service: string, workflow: string): Guard | undefined;
  /** The newest run of each workflow, of one service or of all. */
  guards(service?: string): (Guard & { service: string })[];
  /** @returns how many were forgotten */
  dropGuards(service: string): number;
  saveProgress(deployment: string, progress: Progress): void;
  /** Of one that has not ended, or that a service is pinned to. */
  progress(deployment: string): Progress | undefined;
  pins(): Pin[];
  /** The switch made final for all services of a deployment, in one transaction. */
  commit(commits: readonly Commit[]): void;
  /** What deployments committed for a service, or for all, and is kept to go back to; last committed first. */
  versions(service?: string): Version[];
  dropVersion(version: Pick<Version, "service" | "deployment">): void;
  /** From now on this deployment is the last that wanted the images noted with this digest, whatever their repository. */
  claimImages(digest: string, deployment: string): void;
  /** Before it is pulled: if the image appears on this host, a deployment has brought it. Noted is success. */
  noteImage(image: BroughtImage): void;
  broughtImages(): BroughtImage[];
  /** Unless another deployment has claimed it since. */
  forgetImage(image: BroughtImage): void;
  dropPin(service: string): void;
  origin(container: string): Origin | undefined;
  origins(): Origin[];
  saveOrigins(origins: Origin[]): void;
  dropOrigin(container: string): void;
  /** Names of the recorded configurations that a pin, a version, a container or an unfinished deployment needs. */
  neededRecords(): ReadonlySet<string>;
  /** Containers that ran at the last look, and under which boot of the host. */
  lastLook(): Look | undefined;
  saveLook(look: Look): void;
  /** The compose project this state belongs to; undefined before the first look at the file. */
  projectName(): string | undefined;
  saveProjectName(name: string): void;
  /** Whether there have ever been rules on who may deploy what. */
  hadRules(): boolean;
  noteRules(): void;
}

/** What else becomes true when a deployment is accepted. */
export type Acceptance = {
  /** Those whose place it takes, at their end. */
  superseded: Deployment[];
  /** Those that its request came with, from now on spent; what has expired by the time it was accepted is forgotten. */
  keys: readonly SpentKey[];
  /** Where the order guards of its services move to; those that are farther already stay. */
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

/** What a deployment made of a service for good. */
export type Commit = { pin: Pin; version: Version; origins: Origin[] };

/** Image and configuration that a deployment committed for a service: what can be gone back to. */
export type Version = {
  service: string;
  /** The deployment that committed it. */
  deployment: string;
  /** Text its containers are created with. */
  imageText: string;
  fileImage: string;
  digest: string;
  /** The image it really was, `sha256:…`; `""` of what was committed before this was kept: `imageText` names it. */
  imageId: string;
  /** Name of the recorded configuration. */
  recorded: string;
  /** `""` when it is not known. */
  configHash: string;
  /** Which decision of the service it was: one more than what it replaced; a rollback has the number of the version it went back to. */
  number: number;
  /** Milliseconds since the epoch. */
  committedAt: number;
};

/** An image that is on this host because a deployment pulled it; it goes when nothing needs it any more. */
export type BroughtImage = {
  /** As it was pulled, without tag and digest. */
  repository: string;
  /** `sha256:…`. */
  digest: string;
  /** The last one that wanted it. */
  deployment: string;
};

/** How far a deployment has come, written down before each effect: the way forward and the way back after a kill. */
export type Progress = {
  stage: Stage;
  /** The references it has asked a registry for, each with the digest it had: asked once, also after a kill. */
  resolved: string[];
  /** Commands of `x-deployer.before` that have ended with 0, by the names their containers are labelled with. */
  doneBefore: string[];
  /** Empty until the rollout begins. */
  plans: Plan[];
  /** What failed containers left behind. */
  diagnoses: Diagnosis[];
  /** Why it goes back. */
  failure: { code: ErrorCode; message: string } | undefined;
  /** What the edge had, and this deployment has taken from it. */
  lost: LostRoutes;
};

/**
 * - `preparing`: nothing that serves has been touched
 * - `switching`: what serves may have been touched
 * - `going_back`: the old version is being brought back
 */
type Stage = "preparing" | "switching" | "going_back";

/** What one service is to become and how. */
export type Plan = {
  service: string;
  strategy: Strategy;
  /** Compose replaces the containers itself: a fixed name cannot be had twice, nobody else hands anonymous volumes on. */
  inPlace: boolean;
  /** The proxy in front comes when its old containers have stopped: they have its port. */
  bringsEdge: boolean;
  /** What is to run. */
  version: Omit<Version, "deployment" | "committedAt">;
  /** How many containers there shall be. */
  replicas: number;
  /** The new containers, once they are created. */
  candidates: Candidate[];
  before: Before;
};

export type Candidate = {
  id: string;
  /** Where peers find it once it serves; a rolling candidate is in these networks without a name until then. */
  networks: Attachment[];
};

/** What ran before a deployment touched anything: the way back. */
export type Before = {
  /** Containers that ran, or that Docker was restarting. */
  running: string[];
  /** All containers of the service, stopped ones too. */
  all: string[];
  /** The image that ran, `sha256:…`; `""` when there was none, or it is not known. */
  imageId: string;
  /** The configuration that ran, for when its containers do not survive the switch; `""` when there was none. */
  recorded: string;
};
