// On whose behalf a service acts.

export interface Caller {
  owner: string;
  /** May do what concerns all owners. */
  operator: boolean;
  keyId: string;
  requestId: string;
}
